//! The streams of real processes.

use std::sync::Arc;

use gaffer_core::{
    backend::{Backend, ExitStatus},
    names::Signal,
    streams::Output,
};
use nix::{
    sys::wait::{WaitPidFlag, WaitStatus, waitpid},
    unistd::Pid,
};

use super::{Reading, World, eventually, label};

#[tokio::test]
async fn stdin_is_read_and_its_end_seen() {
    let mut world = World::new();
    let plan = world.plan(&["cat"]);
    let mut process = world.launch(plan).await;
    process.write("one\n").await;
    assert_eq!(process.line().await, "one");
    process.write("two\n").await;
    process.io.stdin.as_ref().unwrap().close();
    assert_eq!(process.rest().await, "two\n");
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
}

#[tokio::test]
async fn outputs_go_where_the_labels_say() {
    let mut world = World::new();
    let script = "echo out; echo err >&2; \
        links=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$links\" >&3";
    for (labels, expected, links) in [
        (&[][..], &[][..], ["/dev/null", "/dev/null", "/dev/null"]),
        (&["a"], &["out\n"], ["/dev/null", "pipe", "/dev/null"]),
        (&["a", "b"], &["out\n", "err\n"], ["/dev/null", "pipe", "pipe"]),
        (&["a", "a"], &["out\nerr\n"], ["/dev/null", "pipe", "pipe"]),
    ] {
        let mut plan = world.shell_plan(script);
        plan.outputs = labels.iter().map(|text| label(text)).collect();
        plan.stdin = false;
        plan.custom = vec![label("links")];
        let process = world.launch(plan).await;
        assert!(process.io.stdin.is_none());
        let mut seen = Vec::new();
        for output in &process.io.outputs {
            seen.push(Reading::new(output).rest().await);
        }
        assert_eq!(seen, expected, "{labels:?}");
        let seen = Reading::new(process.io.output("links").unwrap()).rest().await;
        let seen: Vec<&str> = seen.lines().map(|link| link.split(':').next().unwrap()).collect();
        assert_eq!(seen, links, "{labels:?}");
        world.exited(&process).await;
    }
}

#[tokio::test]
async fn an_extra_pipe_works_both_ways() {
    let mut world = World::new();
    let mut plan = world.shell_plan("cat <&4 >&4 & cat <&3 >&3");
    plan.custom = vec![label("first"), label("second")];
    let process = world.launch(plan).await;
    for (name, text) in [("first", "over three\n"), ("second", "over four\n")] {
        let mut reading = Reading::new(process.io.output(name).unwrap());
        process.io.input(Some(&label(name))).unwrap().write(text.into()).await.unwrap();
        assert_eq!(reading.line().await, text.trim_end());
    }
    world.kill(&process).await;
}

#[tokio::test]
async fn all_that_was_written_is_there_when_the_exit_is_told() {
    let mut world = World::new();
    for _ in 0..20 {
        let plan = world.shell_plan("head -c 300000 /dev/zero; head -c 5000 /dev/zero >&2");
        let process = world.launch(plan).await;
        assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), false));
        assert_eq!(process.io.outputs[0].total(), 300_000);
        assert_eq!(process.io.outputs[1].total(), 5000);
        assert!(process.io.outputs.iter().all(|output| output.is_closed()));
    }
}

#[tokio::test]
async fn a_descendant_that_holds_the_pipe_does_not_hold_up_the_exit() {
    let mut world = World::new();
    let mut process = world.shell("setsid sleep 1000 & echo left").await;
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), true));
    assert_eq!(process.line().await, "left");
    assert!(!process.io.outputs[0].is_closed(), "it may still write");
    world.backend.kill(process.pid);
    world.tree_gone(&process).await;
    assert_eq!(process.rest().await, "");
}

/// On a runtime with one thread, which the reader of the flood could keep for itself.
#[tokio::test]
async fn a_flooding_child_does_not_starve_the_others() {
    let mut world = World::new();
    let plan = world.plan(&["yes"]);
    let flood = world.launch(plan).await;
    for _ in 0..10 {
        assert_eq!(world.output_of("echo here").await, "here\n");
    }
    let total = flood.io.outputs[0].total();
    eventually("the flood goes on", || flood.io.outputs[0].total() > total).await;
    world.backend.signal(flood.pid, Signal::TERM);
    assert_eq!(world.exited(&flood).await, (ExitStatus::Signal(libc::SIGTERM), false));
}

#[tokio::test]
async fn a_lossless_sink_holds_the_child_up_but_not_its_end() {
    let mut world = World::new();
    let plan = world.plan(&["yes"]);
    let flood = world.launch(plan).await;
    let sink = flood.io.outputs[0].attach_sink().unwrap(); // And nobody reads it.
    assert_eq!(world.output_of("echo here").await, "here\n");
    assert_eq!(world.kill(&flood).await, ExitStatus::Signal(libc::SIGKILL));
    drop(sink);
    eventually("the output is closed", || flood.io.outputs[0].is_closed()).await;
}

pub(super) fn numbered(lines: u32) -> String {
    (1..=lines).map(|number| format!("{number}\n")).collect()
}

#[tokio::test]
async fn a_flood_waits_for_its_sink_from_the_first_byte_on() {
    let mut world = World::new();
    let mut plan = world.shell_plan("seq 1 400000; seq 1 50000 >&2");
    plan.expect_sinks = true;
    let flood = world.launch(plan).await;
    let [out, err] = [0, 1].map(|index| Arc::clone(&flood.io.outputs[index]));
    eventually("as much is read as may be", || out.total() >= Output::SINK_BACKLOG).await;
    assert_eq!(world.output_of("seq 1 100000 > /dev/null; echo here").await, "here\n");
    assert!(out.total() < Output::SINK_BACKLOG + 64 * 1024, "the writer does not wait");

    let mut slow = Reading::of(out.attach_sink().unwrap());
    for _ in 0..20 {
        assert!(slow.more().await);
        world.output_of("true").await; // Something that takes its time.
    }
    assert!(slow.rest().await == numbered(400_000));
    // This one was not attached when all was written.
    assert_eq!(world.exited(&flood).await, (ExitStatus::Code(0), false));
    assert!(Reading::of(err.attach_sink().unwrap()).rest().await == numbered(50_000));
}

/// Two outputs' worth of it are still in the pipes then: more than may be read without a sink.
#[tokio::test]
async fn a_sink_that_comes_after_the_end_of_process_and_backend_gets_every_byte() {
    let mut world = World::new();
    let bytes = Output::SINK_BACKLOG as usize + 60_000;
    let mut plan = world.shell_plan(&format!("yes 1234567 | head -c {bytes}; yes 1234567 | head -c {bytes} >&2"));
    plan.expect_sinks = true;
    let flood = world.launch(plan).await;
    assert_eq!(world.exited(&flood).await, (ExitStatus::Code(0), false));
    drop(world);
    let expected = "1234567\n".repeat(bytes / 8 + 1);
    for output in &flood.io.outputs {
        assert!(!output.is_closed());
        assert!(Reading::of(output.attach_sink().unwrap()).rest().await == expected[..bytes]);
    }
}

#[tokio::test]
async fn what_is_left_alive_is_no_longer_read_when_the_backend_is_gone() {
    let mut world = World::new();
    let mut plan = world.plan(&["yes"]);
    plan.expect_sinks = true;
    let flood = world.launch(plan).await;
    let out = &flood.io.outputs[0];
    eventually("as much is read as may be", || out.total() >= Output::SINK_BACKLOG).await;
    drop(world);
    eventually("the output is closed", || out.is_closed()).await; // And SIGPIPE ends the process.
    let pid = Pid::from_raw(flood.os_pid);
    eventually("it has ended", || waitpid(pid, Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive)).await;
}
