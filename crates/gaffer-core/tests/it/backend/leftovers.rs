//! Ending what a node has left behind, when that is no longer there to do it.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fs,
    time::Duration,
};

use gaffer_core::{
    backend::{Backend, ExitStatus, Fact, MARK, PARENTS, end_leftovers},
    names::OsPid,
};

use super::{DEADLINE, Started, World, eventually, exists};

const KILLED: ExitStatus = ExitStatus::Signal(libc::SIGKILL);
const TERMINATED: ExitStatus = ExitStatus::Signal(libc::SIGTERM);

/// Ends what is left of a world's node, while its backend goes on reaping. Less than `grace` is enough if all obey.
async fn end(node: &str, grace: Duration) -> Vec<OsPid> {
    let node = node.to_owned();
    tokio::task::spawn_blocking(move || end_leftovers(&node, &HashSet::new(), &HashSet::new(), grace))
        .await
        .unwrap()
        .unwrap()
}

async fn gone(world: &mut World, process: &Started) -> ExitStatus {
    let (status, tree_alive) = world.exited(process).await;
    if tree_alive {
        world.tree_gone(process).await;
    }
    status
}

#[tokio::test]
async fn every_tree_is_ended_however_it_hides() {
    for script in [
        "sleep 1000 & echo $!; wait",                        // In the group.
        "setsid sleep 1000 & echo $!; wait",                 // In a session of its own.
        "(setsid sleep 1000 & echo $!); read x",             // And its parent gone.
        "env -i /usr/bin/setsid sleep 1000 & echo $!; wait", // Without the mark, but below the leader.
        "(env -i sleep 1000 & echo $!); read x",             // Without mark and parent, but in the group.
        "exec 3<&0; setsid sh -c '(env -i sleep 1000 & echo $!); read x <&3' & wait",
        "setsid sh -c '(exec setsid -w sh -c \"sleep 1000 & echo \\$!; wait\") & wait' & wait",
        "setsid env -i /bin/sh -c '/usr/bin/setsid /bin/sleep 1000 & echo $!; wait' & wait",
    ] {
        let mut world = World::new();
        let mut process = world.shell(script).await;
        let descendant = process.os_pid().await;
        assert!(lives(descendant), "{script}");
        assert_eq!(end(&world.node, DEADLINE).await, [], "{script}");
        assert!(!lives(descendant), "{script}: outlived its node");
        assert_eq!(gone(&mut world, &process).await, TERMINATED, "{script}");
    }
}

#[tokio::test]
async fn those_who_ignore_it_are_killed_when_their_time_is_over() {
    let mut world = World::new();
    let script = "trap '' TERM; setsid sh -c 'echo $$; while :; do sleep 1000; done' & while :; do wait; done";
    let mut process = world.shell(script).await;
    let descendant = process.os_pid().await;
    let mut obeying = world.shell("trap 'exit 7' TERM; echo ready; while :; do sleep 1000 & wait; done").await;
    assert_eq!(obeying.line().await, "ready");
    assert_eq!(end(&world.node, Duration::from_millis(300)).await, []);
    assert!(!lives(descendant));
    let mut statuses = BTreeMap::new();
    while statuses.len() < 2 {
        if let Fact::Exited { pid, status, .. } = world.fact().await {
            statuses.insert(pid, status);
        }
    }
    assert_eq!(statuses[&process.pid], KILLED);
    assert_eq!(statuses[&obeying.pid], ExitStatus::Code(7));
}

#[tokio::test]
async fn who_obeys_has_the_time_it_takes() {
    let mut world = World::new();
    let script = "trap 'echo term; (sleep 0.3; echo order) & wait; echo done; exit 7' TERM; sleep 1000 & echo $!; wait";
    let mut process = world.shell(script).await;
    let sleeper = process.os_pid().await;
    // Until then it may have the shell's handler, which would only take note of the signal.
    eventually("it executes its program", || {
        fs::read_to_string(format!("/proc/{sleeper}/comm")).is_ok_and(|name| name == "sleep\n")
    })
    .await;
    assert_eq!(end(&world.node, DEADLINE).await, []);
    // And so has what it launched to that end.
    assert_eq!(process.rest().await, "term\norder\ndone\n");
    assert_eq!(gone(&mut world, &process).await, ExitStatus::Code(7));
}

#[tokio::test]
async fn marks_of_other_nodes_are_not_touched() {
    let mut world = World::new();
    let mark = |node: &str| format!("{node}:1");
    let node = world.node.clone();
    let mut innocent = Vec::new();
    for (name, value) in [
        (MARK, mark(&format!("{node}0"))),
        (MARK, mark(&format!("x{node}"))),
        (MARK, format!("{node}:x")),
        (MARK, node.clone()),
        (PARENTS, format!("{}0 x{}", mark(&node), mark(&node)).replace(":10", ":1x")),
        ("OTHER", mark(&node)),
    ] {
        let mut plan = world.plan(&["cat"]);
        plan.env = BTreeMap::from([(OsString::from("PATH"), OsString::from("/usr/bin:/bin"))]);
        plan.env.insert(name.into(), value.into());
        innocent.push(world.launch(plan).await);
    }
    assert_eq!(end(&node, Duration::ZERO).await, []);
    for process in &mut innocent {
        process.write("alive\n").await;
        assert_eq!(process.line().await, "alive");
    }

    let mut plan = world.plan(&["cat"]);
    plan.env.insert(MARK.into(), "inner:5".into());
    plan.env.insert(PARENTS.into(), format!("outer:3 {node}:1").into());
    let nested = world.launch(plan).await;
    assert_eq!(end(&node, DEADLINE).await, []);
    assert_eq!(world.exited(&nested).await, (TERMINATED, false));
    for process in innocent {
        process.io.stdin.as_ref().unwrap().close();
        assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
    }
}

/// Chains of processes of which each starts the next in a session of its own and ends, and a bomb that ignores SIGTERM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_go_on_forking_lose() {
    let chain = "N=$((N - 1)); [ $N -gt 0 ] && setsid sh -c \"$BODY\" &";
    let bomb = "trap '' TERM; N=$((N - 1)); [ $N -gt 0 ] && { sh -c \"$BODY\" & sh -c \"$BODY\" & }; sleep 1000 & wait";
    let chains = "for i in 1 2 3 4 5 6 7 8; do eval \"$BODY\"; done; echo started; read x";
    // The counts end them if nobody does.
    for (script, body, count, grace) in [
        (chains, chain, "20000", Duration::ZERO),
        (chains, chain, "20000", Duration::from_millis(200)),
        ("echo started; eval \"$BODY\"", bomb, "9", Duration::from_millis(50)),
    ] {
        let mut world = World::new();
        let mut plan = world.shell_plan(script);
        plan.env.insert("BODY".into(), body.into());
        plan.env.insert("N".into(), count.into());
        let mut process = world.launch(plan).await;
        assert_eq!(process.line().await, "started");
        assert_eq!(end(&world.node, grace).await, [], "{body}");
        let mark = format!("{MARK}={}:{}", world.node, process.pid);
        assert_eq!(marked(&mark), 0, "{body}");
        gone(&mut world, &process).await;
    }
}

fn marked(mark: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap();
    let environ = processes.filter_map(|entry| fs::read(entry.ok()?.path().join("environ")).ok());
    environ.filter(|environ| environ.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())).count()
}

/// Names the node to the helper program of the next test.
const NODE: &str = "GAFFER_TEST_NODE";

#[test]
#[ignore = "run by another test, in a program of its own"]
fn alone_it_ends_the_leftovers_of_another_program() {
    let node = std::env::var(NODE).unwrap();
    assert_eq!(end_leftovers(&node, &HashSet::new(), &HashSet::new(), Duration::from_millis(200)).unwrap(), []);
}

/// On a runtime with one thread, which does nothing meanwhile: nobody reaps what has ended.
#[tokio::test]
async fn whoever_is_not_the_parent_can_do_it_and_is_not_misled_by_zombies() {
    let mut world = World::new();
    let mut obeying = world.shell("setsid sleep 1000 & echo $!; wait").await;
    let mut stubborn = world.shell("trap '' TERM; setsid sleep 1000 & echo $!; cat").await;
    let descendants = [obeying.os_pid().await, stubborn.os_pid().await];
    let mut innocent = world.plan(&["cat"]);
    innocent.env.insert(MARK.into(), format!("{}0:1", world.node).into());
    let innocent = world.launch(innocent).await;

    #[expect(clippy::disallowed_methods, reason = "a test within a test, not a job")]
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "backend::leftovers::alone_it_ends_the_leftovers_of_another_program";
    // It carries a mark of the node itself, as one would that was started by hand from a process of that.
    command.args([name, "--exact", "--ignored", "--nocapture"]).env(NODE, &world.node);
    command.env(MARK, format!("{}:77", world.node));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));

    for pid in descendants.into_iter().chain([obeying.os_pid, stubborn.os_pid]) {
        assert!(!lives(pid));
    }
    assert!(lives(innocent.os_pid));
    world.ios.clear();
    world.backend.kill(innocent.pid);
    let mut gone = 0;
    while gone < 3 {
        match world.fact().await {
            Fact::Exited { tree_alive, .. } => gone += usize::from(!tree_alive),
            Fact::TreeGone { .. } => gone += 1,
            other => panic!("{other:?}"),
        }
    }
    eventually("all are reaped", || !descendants.into_iter().any(exists)).await;
}

/// Whether it is there, and no zombie that waits to be reaped.
fn lives(os_pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{os_pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
