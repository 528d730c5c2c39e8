//! Whole trees: nothing of a process outlives it by accident.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
};

use gaffer_core::{
    ProcessId,
    backend::{Backend, ExitStatus, Fact, LaunchPlan},
    config::JobSpec,
};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use super::{World, eventually, exists, launch::run_alone};

const KILLED: ExitStatus = ExitStatus::Signal(libc::SIGKILL);

/// Every way to hide from a parent, while the leader lives.
#[tokio::test]
async fn kill_reaches_every_descendant_of_a_living_leader() {
    for script in [
        "sleep 1000 & echo $!; wait",                        // In the group.
        "setsid sleep 1000 & echo $!; wait",                 // In a session of its own.
        "(setsid sleep 1000 & echo $!); read x",             // And its parent gone: an orphan.
        "(sleep 1000 & echo $!); read x",                    // An orphan in the group.
        "env -i /usr/bin/setsid sleep 1000 & echo $!; wait", // Without the mark, but below the leader.
        "setsid sh -c 'sleep 1000 & echo $!; wait' & wait",  // Further down.
        "setsid sh -c '(setsid sleep 1000 & echo $!); read x < /dev/null; wait' & wait; read x",
    ] {
        let mut world = World::new();
        let mut process = world.shell(script).await;
        let descendant = process.os_pid().await;
        assert!(exists(descendant), "{script}");
        assert_eq!(world.kill(&process).await, KILLED, "{script}");
        assert!(!exists(descendant), "{script}: outlived its leader");
        assert!(!exists(process.os_pid), "{script}: not reaped");
    }
}

#[tokio::test]
async fn kill_reaches_every_descendant_after_the_exit_of_the_leader() {
    for script in [
        "sleep 1000 & echo $!",
        "setsid sleep 1000 & echo $!",
        "setsid sh -c 'setsid sleep 1000 & echo $!; wait' & read x",
        "(setsid sh -c '(setsid sleep 1000 & echo $!) & exec sleep 1000' &); read x",
    ] {
        let mut world = World::new();
        let mut process = world.shell(script).await;
        let descendant = process.os_pid().await;
        process.io.stdin.as_ref().unwrap().close();
        let (_, tree_alive) = world.exited(&process).await;
        assert!(tree_alive, "{script}");
        assert!(exists(process.os_pid), "{script}: its number could be used again");
        world.backend.kill(process.pid);
        world.tree_gone(&process).await;
        assert!(!exists(descendant), "{script}: outlived its leader");
        assert!(!exists(process.os_pid), "{script}: not reaped");
    }
}

#[tokio::test]
async fn a_detached_process_is_killed_with_its_session() {
    let mut world = World::new();
    let mut plan = world.shell_plan("(sleep 1000 & echo $!); read x");
    plan.detach = true;
    let mut process = world.launch(plan).await;
    let descendant = process.os_pid().await;
    assert_eq!(world.kill(&process).await, KILLED);
    assert!(!exists(descendant));
}

#[tokio::test]
async fn terminate_reaches_the_group_and_kill_those_who_ignore_it() {
    let mut world = World::new();
    let mut process = world.shell("sleep 1000 & echo $!; wait").await;
    let descendant = process.os_pid().await;
    world.backend.terminate(process.pid);
    let (status, tree_alive) = world.exited(&process).await;
    assert_eq!(status, ExitStatus::Signal(libc::SIGTERM));
    if tree_alive {
        world.tree_gone(&process).await;
    }
    assert!(!exists(descendant));

    let mut process = world.shell("trap '' TERM; echo ready; exec cat").await;
    assert_eq!(process.line().await, "ready");
    world.backend.terminate(process.pid);
    process.write("still here\n").await;
    assert_eq!(process.line().await, "still here");
    assert_eq!(world.kill(&process).await, KILLED);
}

/// It has nothing of its own that says whose it is, but was below the leader when that was stopped.
#[tokio::test]
async fn a_child_without_mark_group_and_session_is_known_when_its_leader_is_stopped() {
    let mut world = World::new();
    let mut process = world.shell("env -i /usr/bin/setsid sleep 1000 & echo $!; wait").await;
    let child = process.os_pid().await;
    eventually("it has cleared its environment", || {
        std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap() == "sleep\n"
    })
    .await;
    world.backend.terminate(process.pid);
    assert_eq!(world.exited(&process).await, (ExitStatus::Signal(libc::SIGTERM), true));
    world.backend.terminate(process.pid);
    world.tree_gone(&process).await;
    assert!(!exists(child));
}

#[tokio::test]
async fn after_an_exit_terminate_reaches_those_that_are_left() {
    let mut world = World::new();
    let mut process = world.shell("setsid sleep 1000 & echo $!; setsid sleep 1000 & echo $!").await;
    let left = [process.os_pid().await, process.os_pid().await];
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), true));
    world.backend.terminate(process.pid);
    world.tree_gone(&process).await;
    assert!(!left.into_iter().any(exists));
}

#[tokio::test]
async fn terminate_is_sent_once_to_each() {
    let mut world = World::new();
    let survivor = "trap 'echo term' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let mut process = world.shell(&format!("setsid sh -c \"{survivor}\" & cat")).await;
    assert_eq!(process.line().await, "ready");
    world.backend.terminate(process.pid); // To the group only: the survivor has left it.
    let (_, tree_alive) = world.exited(&process).await;
    assert!(tree_alive);
    for _ in 0..5 {
        world.backend.terminate(process.pid);
        // Between requests that may be taken as one, something that shows that they were not.
        world.output_of("true").await;
    }
    assert_eq!(process.line().await, "term");
    world.backend.kill(process.pid);
    world.tree_gone(&process).await;
    assert_eq!(process.rest().await, "", "it was terminated more than once");
}

#[tokio::test]
async fn who_is_launched_by_one_that_ends_is_asked_to_end_too() {
    let mut world = World::new();
    // In the group that has had its SIGTERM before.
    let mut process = world
        .shell("trap '(sleep 1000 & echo $!); exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done")
        .await;
    assert_eq!(process.line().await, "ready");
    world.backend.terminate(process.pid);
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), true));
    let launched = process.os_pid().await;
    world.backend.terminate(process.pid);
    world.tree_gone(&process).await;
    assert!(!exists(launched));
}

#[tokio::test]
async fn who_is_stopped_goes_on_to_end() {
    let mut world = World::new();
    let mut process =
        world.shell("trap 'exit 7' TERM; echo ready; kill -STOP $$; while :; do sleep 1000 & wait; done").await;
    assert_eq!(process.line().await, "ready");
    let stat = format!("/proc/{}/stat", process.os_pid);
    eventually("it is stopped", || std::fs::read_to_string(&stat).unwrap().contains(") T ")).await;
    world.backend.terminate(process.pid);
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(7), false));
}

#[tokio::test]
async fn survivors_that_end_by_themselves_end_the_tree() {
    let mut world = World::new();
    let mut process = world.shell("exec 3<&0; setsid cat <&3 & echo left").await;
    assert_eq!(process.line().await, "left");
    assert_eq!(world.exited(&process).await, (ExitStatus::Code(0), true));
    process.io.stdin.as_ref().unwrap().close();
    world.tree_gone(&process).await;
}

#[tokio::test]
async fn a_tree_that_goes_on_forking_is_killed() {
    let mut world = World::new();
    // Each starts the next, in a session of its own, and ends: there is never a parent to find it by.
    // The count ends it if nobody does.
    let chain = "N=$((N - 1)); [ $N -gt 0 ] && setsid sh -c \"$BODY\" &";
    let mut plan = world.shell_plan("echo started; eval \"$BODY\"; read x");
    plan.env.insert("BODY".into(), chain.into());
    plan.env.insert("N".into(), "10000".into());
    let mut process = world.launch(plan).await;
    assert_eq!(process.line().await, "started");
    world.kill(&process).await;
    let mark = format!("GAFFER_PROCESS={}:{}", world.node, process.pid);
    let left = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let environ = std::fs::read(entry.ok()?.path().join("environ")).ok()?;
        environ.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes()).then_some(())
    });
    assert_eq!(left.count(), 0);
}

/// As when the gafferd that launched them, itself one of our processes, was killed.
#[tokio::test]
async fn what_a_nested_gafferd_leaves_belongs_to_its_process() {
    let mut world = World::new();
    let script =
        "GAFFER_PARENTS=\"other:7 $GAFFER_PROCESS\" GAFFER_PROCESS=inner:1 setsid sleep 1000 & echo $!; kill -9 $$";
    // Its session is its own, and its parent gone: nothing else says whose it is.
    let mut process = world.shell(script).await;
    let left = process.os_pid().await;
    assert_eq!(world.exited(&process).await, (KILLED, true));
    world.backend.terminate(process.pid);
    world.tree_gone(&process).await;
    assert!(!exists(left));
}

#[test]
fn a_nested_gafferd_hands_the_marks_around_it_on() {
    let parents = |own: &[(&str, &str)], os_env: bool| {
        let environment = own.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let mut spec = JobSpec::new("job".parse().unwrap(), "true");
        spec.os_env = os_env;
        let config = spec.check().unwrap();
        let plan = LaunchPlan::new(ProcessId::new(3), &config, &environment, &BTreeMap::new(), "inner").unwrap();
        assert_eq!(plan.env.get(OsStr::new("GAFFER_PROCESS")).unwrap(), "inner:3");
        plan.env.get(OsStr::new("GAFFER_PARENTS")).map(|parents| parents.to_str().unwrap().to_owned())
    };
    for os_env in [true, false] {
        assert_eq!(parents(&[], os_env), None);
        assert_eq!(parents(&[("GAFFER_PROCESS", "b:2")], os_env).unwrap(), "b:2");
        assert_eq!(parents(&[("GAFFER_PROCESS", "b:2"), ("GAFFER_PARENTS", "a:1")], os_env).unwrap(), "a:1 b:2");
    }
}

#[tokio::test]
async fn orphans_of_a_living_leader_are_reaped() {
    let mut world = World::new();
    // The second has nothing that would say whose it is.
    for script in ["(sleep 1000 & echo $!); read x", "(env -i /usr/bin/setsid sleep 1000 & echo $!); read x"] {
        let mut process = world.shell(script).await;
        let orphan = process.os_pid().await;
        // Once its parent has ended, which is before or just after the shell went on to `read`.
        let adopted = || {
            let stat = std::fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap();
            stat.split(' ').nth(3) == Some(&std::process::id().to_string())
        };
        eventually("the orphan is ours", adopted).await;
        kill(Pid::from_raw(orphan), Signal::SIGKILL).unwrap();
        eventually("the orphan is reaped", || !exists(orphan)).await;
        world.kill(&process).await;
    }
}

#[tokio::test]
async fn children_of_other_code_are_left_to_it() {
    let mut world = World::new();
    #[expect(clippy::disallowed_methods, reason = "the very thing to be tested")]
    let mut others = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
    eventually("it is a zombie", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", others.id())).unwrap();
        stat.contains(") Z ")
    })
    .await;
    for _ in 0..20 {
        world.output_of("true").await;
    }
    assert_eq!(others.wait().unwrap().code(), Some(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_that_end_at_once_are_all_told() {
    let mut world = World::new();
    let mut running = HashSet::new();
    for _ in 0..300 {
        let plan = world.plan(&["cat"]);
        running.insert(world.launch(plan).await.pid);
    }
    for &pid in &running {
        world.backend.kill(pid);
    }
    while !running.is_empty() {
        match world.fact().await {
            Fact::Exited { pid, status, tree_alive } => {
                assert_eq!((status, tree_alive), (KILLED, false));
                assert!(running.remove(&pid));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Run by the next one, in a program of its own: nothing in it can open a file for a while.
#[tokio::test]
#[ignore = "needs a program of its own"]
async fn alone_a_tree_is_killed_without_free_descriptors() {
    let mut world = World::new();
    let mut grouped = world.shell("sleep 1000 & echo $!; read x; true").await;
    let in_group = grouped.os_pid().await;
    let mut escaped = world.shell("setsid sleep 1000 & echo $!; read x; true").await;
    let outside = escaped.os_pid().await;
    let mut known = world.shell("setsid sleep 1000 & echo $!").await;
    let before = known.os_pid().await;
    assert_eq!(world.exited(&known).await, (ExitStatus::Code(0), true));

    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    for process in [&grouped, &escaped] {
        process.io.stdin.as_ref().unwrap().close();
        // It cannot be seen what is left; that is no reason to say that nothing is.
        assert_eq!(world.exited(process).await, (ExitStatus::Code(0), true));
    }
    for process in [&grouped, &known, &escaped] {
        world.backend.kill(process.pid);
    }
    for pid in [in_group, before] {
        eventually("it is killed", || kill(Pid::from_raw(pid), None).is_err()).await;
    }
    let cpu = cpu_time();
    let wall = std::time::Duration::from_millis(500);
    tokio::time::sleep(wall).await;
    assert!(world.facts.try_recv().is_err(), "one of them may be anybody's");
    let cpu = cpu_time() - cpu;
    assert!(cpu < wall / 4, "it took {cpu:?} of {wall:?} to wait");
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    for _ in 0..3 {
        assert!(matches!(world.fact().await, Fact::TreeGone { .. }));
    }
    for pid in [in_group, outside, before] {
        assert!(!exists(pid));
    }
}

#[test]
fn a_tree_is_killed_without_free_descriptors() {
    run_alone("backend::tree::alone_a_tree_is_killed_without_free_descriptors");
}

/// What this program has used of the processors.
fn cpu_time() -> std::time::Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    std::time::Duration::from_micros(micros.iter().sum::<i64>().try_into().unwrap())
}
