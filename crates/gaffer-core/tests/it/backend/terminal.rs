//! Processes with terminals instead of pipes.

use std::fs;

use gaffer_core::{
    backend::{Backend, ExitStatus, LaunchPlan},
    names::Signal,
    streams::{Stdin, TerminalSize},
};

use super::{Reading, Started, World, eventually, exists, io::numbered, label, launch::run_alone};

const KILLED: ExitStatus = ExitStatus::Signal(libc::SIGKILL);

/// A terminal of an unusual size, and no stdin.
fn on_terminal(mut plan: LaunchPlan) -> LaunchPlan {
    plan.terminal = Some(TerminalSize { columns: 97, rows: 31 });
    plan.stdin = false;
    plan
}

async fn launch(world: &mut World, script: &str) -> Started {
    let plan = on_terminal(world.shell_plan(script));
    world.launch(plan).await
}

fn reading(process: &Started, label: &str) -> Reading {
    Reading::new(process.io.output(label).unwrap())
}

#[tokio::test]
async fn all_three_are_terminals_of_the_size_wanted_and_change_nothing_that_is_written() {
    let mut world = World::new();
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size && stty size <&2 \
        && [ $(readlink /proc/$$/fd/0) = $(readlink /proc/$$/fd/1) ] \
        && [ $(readlink /proc/$$/fd/0) != $(readlink /proc/$$/fd/2) ] \
        && printf 'tab\\there\\nthere\\r\\n' && printf 'error\\n' >&2";
    let process = launch(&mut world, script).await;
    assert!(process.io.stdin.is_none());
    let (mut out, mut err) = (reading(&process, "out"), reading(&process, "err"));
    assert_eq!(out.rest().await, "31 97\n31 97\ntab\there\nthere\r\n");
    assert_eq!(err.rest().await, "error\n");
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
}

/// What is not kept is read all the same, or the process would wait.
#[tokio::test]
async fn labels_say_what_is_kept() {
    let mut world = World::new();
    let script = "test -t 0 && test -t 1 && test -t 2 && echo out && echo err >&2 \
        && head -c 200000 /dev/zero && head -c 200000 /dev/zero >&2";
    for (labels, expected) in [
        (&[][..], &[][..]),
        (&["a"], &[("out\n", 200_004)]),
        (&["a", "b"], &[("out\n", 200_004), ("err\n", 200_004)]),
        (&["a", "a"], &[("out\nerr\n", 400_008)]),
    ] {
        let mut plan = on_terminal(world.shell_plan(script));
        plan.outputs = labels.iter().map(|text| label(text)).collect();
        plan.expect_sinks = true;
        let process = world.launch(plan).await;
        assert_eq!(process.io.outputs.len(), expected.len(), "{labels:?}");
        for (output, (begin, length)) in process.io.outputs.iter().zip(expected) {
            let text = Reading::of(output.attach_sink().unwrap()).rest().await;
            assert!(text.starts_with(begin), "{labels:?}");
            assert_eq!(text.len(), *length, "{labels:?}");
        }
        assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false), "{labels:?}");
    }
}

#[tokio::test]
async fn the_process_leads_a_session_of_that_terminal() {
    let mut world = World::new();
    let mut process = launch(&mut world, "echo in > /dev/tty; exec sleep 1000").await;
    assert_eq!(process.line().await, "in");
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.os_pid)).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(1).take(5);
    let fields: Vec<i32> = fields.map(|field| field.parse().unwrap()).collect();
    let [_parent, group, session, terminal, foreground] = fields[..] else { panic!("{stat}") };
    assert_eq!([group, session, foreground], [process.os_pid; 3]);
    assert_ne!(terminal, 0);
    world.kill(&process).await;
}

#[tokio::test]
async fn another_size_is_told_to_the_process() {
    let mut world = World::new();
    let script = "trap 'stty size; stty size <&2' WINCH; echo ready; while :; do sleep 1000 & wait; kill $!; done";
    let mut process = launch(&mut world, script).await;
    assert_eq!(process.line().await, "ready");
    let terminal = process.io.terminal.clone().unwrap();
    for (columns, rows) in [(120, 40), (20, 5)] {
        terminal.resize(TerminalSize { columns, rows }).unwrap();
        for _ in 0..2 {
            assert_eq!(process.line().await, format!("{rows} {columns}"));
        }
    }
    assert_eq!(world.kill(&process).await, KILLED);
    terminal.resize(TerminalSize::default()).unwrap(); // Of nothing, by then.
    assert_eq!(process.rest().await, "");
}

/// Through a pipe `cut` would keep the line to itself until its stdin ends.
#[tokio::test]
async fn lines_come_as_they_are_written() {
    let mut world = World::new();
    let mut plan = on_terminal(world.plan(&["cut", "-c2-"]));
    plan.stdin = true;
    let mut process = world.launch(plan).await;
    for text in ["-one\n", "-two\n"] {
        process.write(text).await;
        assert_eq!(process.line().await, text[1..].trim_end());
    }
    process.io.stdin.as_ref().unwrap().close();
    assert_eq!(process.rest().await, "", "what is typed is not shown");
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
}

#[tokio::test]
async fn an_end_of_what_is_typed_is_seen_within_a_line_too_and_control_characters_act() {
    let mut world = World::new();
    let mut plan = on_terminal(world.plan(&["cat"]));
    plan.stdin = true;
    let mut process = world.launch(plan.clone()).await;
    process.write("no line").await;
    process.io.stdin.as_ref().unwrap().close();
    assert_eq!(process.rest().await, "no line");
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));

    let process = world.launch(plan.clone()).await;
    process.write("\x03").await;
    assert_eq!(world.exited(&process).await, (ExitStatus::Signal(libc::SIGINT), false));

    // Bare characters mean nothing but themselves.
    plan.argv = ["sh", "-c", "stty raw -echo; echo ready; head -c 5"].map(str::to_owned).to_vec();
    let mut process = world.launch(plan).await;
    assert_eq!(process.line().await, "ready");
    process.write("\x03\x04\r\n.").await;
    assert_eq!(process.rest().await, "\x03\x04\r\n.");
    world.exited(&process).await;
}

/// More than all buffers on the way hold, in both directions at once.
#[tokio::test]
async fn a_megabyte_of_lines_is_typed_and_read_unchanged() {
    let mut world = World::new();
    let mut plan = on_terminal(world.plan(&["cat"]));
    plan.stdin = true;
    plan.expect_sinks = true;
    let process = world.launch(plan).await;
    let stdin = process.io.stdin.clone().unwrap();
    let text = numbered(160_000);
    let typed = text.clone();
    let typing = tokio::spawn(async move {
        for part in typed.as_bytes().chunks(100_000) {
            stdin.write(part.to_vec().into()).await.unwrap();
        }
        stdin.close();
    });
    assert!(Reading::of(process.io.outputs[0].attach_sink().unwrap()).rest().await == text);
    typing.await.unwrap();
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
}

#[tokio::test]
async fn a_million_lines_arrive_as_they_were_written() {
    let mut world = World::new();
    let mut plan = on_terminal(world.shell_plan("seq 1 1000000; seq 1 100000 >&2"));
    plan.expect_sinks = true;
    let process = world.launch(plan).await;
    let [mut out, mut err] = [0, 1].map(|index| Reading::of(process.io.outputs[index].attach_sink().unwrap()));
    let (out, err) = tokio::join!(out.rest(), err.rest());
    assert!(out == numbered(1_000_000));
    assert!(err == numbered(100_000));
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
}

#[tokio::test]
async fn what_was_written_last_is_there_when_the_exit_is_told() {
    let mut world = World::new();
    for _ in 0..50 {
        let process = launch(&mut world, "head -c 30000 /dev/zero; head -c 5000 /dev/zero >&2").await;
        assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
        assert_eq!(process.io.outputs.iter().map(|output| output.total()).collect::<Vec<_>>(), [30_000, 5000]);
        assert!(process.io.outputs.iter().all(|output| output.is_closed()));
    }
}

/// Without its terminal it would get SIGHUP.
#[tokio::test]
async fn a_process_that_has_closed_its_terminal_lives_on() {
    let mut world = World::new();
    let mut plan = on_terminal(world.shell_plan("exec 0<&- 1>&- 2>&-; read x <&3; echo $x >&3"));
    plan.custom = vec![label("extra")];
    let process = world.launch(plan).await;
    for output in &process.io.outputs {
        eventually("its output has ended", || output.is_closed()).await;
    }
    let mut extra = reading(&process, "extra");
    process.io.input(Some(&label("extra"))).unwrap().write("alive\n".into()).await.unwrap();
    assert_eq!(extra.line().await, "alive");
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
}

#[tokio::test]
async fn its_tree_is_stopped_as_any_other() {
    let mut world = World::new();
    // In the group, in another group of the session (as an interactive shell makes them), in a session of its own.
    for hidden in ["sleep 1000", "bash -mc 'sleep 1000 & echo $!; wait'", "setsid sleep 1000"] {
        let known = if hidden.starts_with("bash") { "" } else { "echo $!;" };
        let mut process = launch(&mut world, &format!("{hidden} & {known} trap '' HUP; wait; cat")).await;
        let descendant = process.os_pid().await;
        assert!(exists(descendant), "{hidden}");
        assert_eq!(world.kill(&process).await, KILLED, "{hidden}");
        assert!(!exists(descendant), "{hidden}: outlived its leader");

        let mut process = launch(&mut world, &format!("trap '' HUP; {hidden} & {known} trap - TERM; wait")).await;
        let descendant = process.os_pid().await;
        world.backend.terminate(process.pid);
        let (status, tree_alive) = world.exited(&process).await;
        assert_eq!(status, ExitStatus::Signal(libc::SIGTERM), "{hidden}");
        if tree_alive {
            world.backend.terminate(process.pid);
            world.tree_gone(&process).await;
        }
        assert!(!exists(descendant), "{hidden}: outlived its leader");
    }
    let process = launch(&mut world, "exec sleep 1000").await;
    world.backend.signal(process.pid, Signal::new(libc::SIGINT).unwrap());
    assert_eq!(world.exited(&process).await, (ExitStatus::Signal(libc::SIGINT), false));
}

#[tokio::test]
#[ignore = "needs a program of its own"]
async fn alone_terminals_leave_no_descriptor_behind() {
    let mut world = World::new();
    world.output_of("true").await; // Whatever a first launch opens for good.
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for round in 0..30 {
        let mut plan = on_terminal(world.shell_plan("ls -l /proc/self/fd | grep -c '[0-9] -> '; sleep 1000 & cat"));
        plan.stdin = round % 2 == 0;
        let mut process = world.launch(plan).await;
        assert!(descriptors() > before);
        assert_eq!(process.line().await, "4", "the child has others of our descriptors"); // And that of the folder.
        assert_eq!(world.kill(&process).await, KILLED);
        assert_eq!(process.rest().await, "");
        let _kept_by_somebody = process.io.terminal.clone();
        process.io.stdin.iter().for_each(Stdin::close);
        world.ios.clear();
    }
    eventually("all are closed", || descriptors() <= before).await;
}

#[test]
fn terminals_leave_no_descriptor_behind() {
    run_alone("backend::terminal::alone_terminals_leave_no_descriptor_behind");
}
