//! One rule an example.

use std::{num::NonZeroU32, time::Duration};

use super::world::{State, World, job, missing};
use crate::{
    api::JobState,
    backend::{ExitStatus, Root, SpawnError, Survivor},
    config::Flapping,
    names::{JobName, ProcessId, Signal},
    supervisor::{Answer, Command, Origin, Refusal, Scale, Standing},
};

const GRACE: Duration = Duration::from_secs(30);

fn web() -> JobName {
    "web".parse().unwrap()
}

fn pid(number: u64) -> ProcessId {
    ProcessId::new(number)
}

fn three() -> World {
    World::with(job("web", |spec| spec.numprocesses = 3))
}

#[test]
fn loading_starts_the_configured_number() {
    let mut world = World::new();
    let ticket = world.load(&job("web", |spec| spec.numprocesses = 2));
    assert_eq!(world.unanswered(), [ticket.0], "answered once its launches are");
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert_eq!(world.take_events(), ["create", "start", "spawn 1", "spawn 2"]);
    assert_eq!(world.info("web").pids, [pid(1), pid(2)]);
}

#[test]
fn a_command_waits_for_its_own_launches_and_not_for_replacements() {
    // Where some process was always being launched, a load used to be answered never, and the jobs after it not loaded.
    let mut world = World::new();
    let ticket = world.load(&job("web", |spec| {
        spec.numprocesses = 2;
        spec.flapping = Some(Flapping { attempts: NonZeroU32::new(100_000).unwrap(), ..Flapping::default() });
    }));
    world.answer_launch(pid(1), Ok(()));
    world.crash(pid(1));
    assert_eq!(world.in_state(State::Launching), [pid(2), pid(3)]);
    let scaled = world.command(Command::Scale(web(), Scale::Add(1)));
    world.answer_launch(pid(2), Ok(()));
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    world.crash(pid(2));
    world.answer_launch(pid(4), Ok(()));
    assert_eq!(world.unanswered(), [scaled.0]);
    world.answer_launch(pid(3), Err(missing()));
    assert_eq!(world.answers[&scaled], Ok(Answer::Number(3)));
    assert_eq!(world.in_state(State::Launching), [pid(5)]);
}

#[test]
fn a_job_that_is_not_to_start_waits_for_it() {
    let mut world = World::new();
    world.command(Command::Load { config: job("web", |_| {}), start: false });
    assert_eq!(world.take_events(), ["create"]);
    world.command(Command::Start(web()));
    world.launch_all();
    assert_eq!(world.take_events(), ["start", "spawn 1"]);
}

#[test]
fn a_name_is_loaded_once() {
    let mut world = three();
    let ticket = world.load(&job("web", |_| {}));
    assert_eq!(world.answers[&ticket], Err(Refusal::AlreadyLoaded(web())));
    assert_eq!(world.info("web").max_processes, 3);
}

#[test]
fn stop_kills_only_once_the_graceful_timeout_is_over() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Stop(web()));
    assert_eq!(world.terminating(), [1]);
    world.advance(GRACE - Duration::from_nanos(1));
    assert!(!world.processes[&pid(1)].killed);
    world.advance(Duration::from_nanos(1));
    assert!(world.processes[&pid(1)].killed);
    world.exit(pid(1), ExitStatus::Signal(9), false);
    assert_eq!(world.take_events(), ["stop", "stop_pid 1", "exit 1"]);
    assert_eq!((world.info("web").state, world.info("web").active), (JobState::Stopped, false));
    assert!(world.timers.is_empty());
}

#[test]
fn a_second_stop_does_nothing() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Stop(web()));
    world.take_events();
    let ticket = world.command(Command::Stop(web()));
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert!(world.take_events().is_empty());
}

#[test]
fn a_start_while_the_stop_is_under_way_waits_for_the_place_to_be_free() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Stop(web()));
    world.command(Command::Start(web()));
    assert_eq!(world.in_state(State::Launching), []);
    world.obey();
    assert_eq!(world.launch_all(), [pid(2)]);
}

#[test]
fn a_stopped_job_keeps_its_scaled_number() {
    let mut world = three();
    world.scale("web", "-1");
    world.command(Command::Stop(web()));
    world.obey();
    world.command(Command::Start(web()));
    assert_eq!(world.launch_all().len(), 2);
}

#[test]
fn an_unasked_exit_is_answered_by_a_restart_at_once() {
    let mut world = World::with(job("web", |_| {}));
    world.advance(Duration::from_secs(5));
    world.crash(pid(1));
    assert_eq!(world.launch_all(), [pid(2)]);
    assert_eq!(world.take_events(), ["exit 1", "spawn 2"]);
    let info = world.info("web");
    assert_eq!((info.restarts, info.last_exit.unwrap().exit_code), (1, 1));
}

#[test]
fn fast_exits_are_restarted_with_a_back_off() {
    let mut world = World::with(job("web", |_| {}));
    world.crash(pid(1));
    assert_eq!(world.launch_all(), [pid(2)], "the first at once");
    world.crash(pid(2));
    assert_eq!(world.in_state(State::Launching), []);
    world.advance(Duration::from_millis(99));
    assert_eq!(world.in_state(State::Launching), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.launch_all(), [pid(3)]);
    world.crash(pid(3));
    world.advance(Duration::from_millis(199));
    assert_eq!(world.in_state(State::Launching), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.launch_all(), [pid(4)]);
}

#[test]
fn a_start_ends_a_back_off() {
    let mut world = World::with(job("web", |_| {}));
    world.crash(pid(1));
    world.launch_all();
    world.crash(pid(2));
    world.command(Command::Start(web()));
    assert_eq!(world.launch_all(), [pid(3)]);
}

#[test]
fn a_job_stopped_during_a_back_off_stays_stopped() {
    let mut world = World::with(job("web", |_| {}));
    world.crash(pid(1));
    world.launch_all();
    world.crash(pid(2));
    world.command(Command::Stop(web()));
    world.advance(Duration::from_secs(60));
    assert_eq!(world.info("web").running, 0);
    assert!(world.timers.is_empty());
}

#[test]
fn descendants_of_an_unasked_exit_are_swept_before_the_replacement_starts() {
    let mut world = World::with(job("web", |_| {}));
    world.advance(Duration::from_secs(5));
    world.exit(pid(1), ExitStatus::Code(0), true);
    assert_eq!((world.terminating(), world.in_state(State::Launching)), (vec![1], vec![]));
    assert_eq!(world.info("web").running, 1, "counted until its tree is gone");
    world.advance(Duration::from_secs(5));
    assert!(world.processes[&pid(1)].killed, "after 5 s at most");
    world.tree_gone(pid(1));
    assert_eq!(world.launch_all(), [pid(2)]);
    assert_eq!(world.take_events(), ["exit 1", "spawn 2"]);
}

#[test]
fn descendants_left_by_a_stop_get_what_is_left_of_its_time() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Stop(web()));
    world.advance(Duration::from_secs(20));
    world.exit(pid(1), ExitStatus::Signal(15), true);
    world.advance(Duration::from_secs(9));
    assert!(!world.processes[&pid(1)].killed);
    world.advance(Duration::from_secs(1));
    assert!(world.processes[&pid(1)].killed);
}

#[test]
fn scaling_adds_and_takes_the_oldest_first() {
    let mut world = World::with(job("web", |_| {}));
    let ticket = world.scale("web", "+2");
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Number(3)));
    let ticket = world.scale("web", "-1");
    assert_eq!(world.answers[&ticket], Ok(Answer::Number(2)));
    assert_eq!(world.terminating(), [1]);
    world.obey();
    assert_eq!(world.take_events(), ["update", "spawn 2", "spawn 3", "update", "reap 1", "exit 1"]);
    let ticket = world.scale("web", "-7");
    assert_eq!(world.answers[&ticket], Ok(Answer::Number(0)), "never below none");
    let ticket = world.scale("web", "=100000");
    assert!(matches!(world.answers[&ticket], Err(Refusal::TooMany { asked: 100_000, .. })));
}

#[test]
fn scaling_down_takes_places_that_wait_for_a_back_off_before_any_that_runs() {
    let mut world = World::with(job("web", |spec| spec.numprocesses = 2));
    world.crash(pid(2));
    world.launch_all();
    world.crash(pid(3));
    world.scale("web", "-1");
    assert_eq!((world.running(), world.terminating()), (vec![1], vec![]));
    assert!(world.timers.is_empty());
}

#[test]
fn a_restart_brings_the_new_ones_up_before_the_old_go() {
    let mut world = three();
    let ticket = world.command(Command::Restart(web()));
    assert!(world.terminating().is_empty());
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    world.obey();
    assert_eq!(
        world.take_events(),
        ["restart", "spawn 4", "spawn 5", "spawn 6", "reap 1", "reap 2", "reap 3", "exit 1", "exit 2", "exit 3"]
    );
    assert_eq!(world.running(), [4, 5, 6]);
}

#[test]
fn a_restart_keeps_what_it_cannot_replace() {
    let mut world = three();
    let ticket = world.command(Command::Restart(web()));
    world.answer_launch(pid(4), Ok(()));
    world.answer_launch(pid(5), Err(missing()));
    world.answer_launch(pid(6), Ok(()));
    assert!(matches!(world.answers[&ticket], Err(Refusal::NotStarted { .. })));
    world.obey();
    assert_eq!(world.running(), [2, 4, 6]);
    assert!(world.take_events().contains(&"spawn_error 5".to_owned()));
    assert_eq!(world.info("web").cause, None, "it runs as it should");
}

#[test]
fn an_update_that_does_not_start_changes_nothing() {
    let mut world = three();
    let config = job("web", |spec| {
        spec.cmd = Some("nonsense".into());
        spec.numprocesses = 3;
    });
    let ticket = world.command(Command::Update { config, start: false });
    world.answer_launch(pid(4), Ok(()));
    world.answer_launch(pid(5), Err(missing()));
    world.answer_launch(pid(6), Ok(()));
    assert!(matches!(&world.answers[&ticket], Err(Refusal::NotStarted { cause, .. }) if cause.contains("no program")));
    world.obey();
    assert_eq!(world.running(), [1, 2, 3]);
    assert_eq!(world.supervisor.config(&web()).unwrap().command_text(), "run");
    assert_eq!(world.info("web").cause, None);
}

#[test]
fn an_update_whose_process_ends_before_its_siblings_start_is_called_off() {
    let mut world = World::with(job("web", |spec| spec.numprocesses = 2));
    let ticket = world.command(Command::Update { config: job("web", |spec| spec.numprocesses = 2), start: false });
    world.answer_launch(pid(3), Ok(()));
    world.crash(pid(3));
    world.answer_launch(pid(4), Ok(()));
    assert!(
        matches!(&world.answers[&ticket], Err(Refusal::NotStarted { cause, .. }) if cause.contains("ended at once"))
    );
    world.obey();
    assert_eq!(world.running(), [1, 2]);
}

#[test]
fn an_update_replaces_everything_and_takes_the_new_number() {
    let mut world = three();
    let config = job("web", |spec| {
        spec.cmd = Some("better".into());
        spec.numprocesses = 1;
    });
    world.command(Command::Update { config, start: false });
    world.launch_all();
    world.obey();
    assert_eq!(world.take_events(), ["spawn 4", "update", "reap 1", "reap 2", "reap 3", "exit 1", "exit 2", "exit 3"]);
    assert_eq!(world.info("web").max_processes, 1);
}

#[test]
fn an_update_keeps_a_number_that_was_scaled_by_hand() {
    let mut world = World::with(job("web", |_| {}));
    world.scale("web", "=2");
    world.launch_all();
    world.command(Command::Update { config: job("web", |spec| spec.cmd = Some("new".into())), start: false });
    world.launch_all();
    world.obey();
    assert_eq!(world.running().len(), 2);
}

#[test]
fn a_later_update_takes_over_from_one_that_is_under_way() {
    let mut world = World::with(job("web", |_| {}));
    let first = world.command(Command::Update { config: job("web", |spec| spec.cmd = Some("b".into())), start: false });
    let second =
        world.command(Command::Update { config: job("web", |spec| spec.cmd = Some("c".into())), start: false });
    assert_eq!(world.answers[&first], Err(Refusal::Superseded(web())));
    world.launch_all();
    world.obey();
    assert_eq!(world.answers[&second], Ok(Answer::Done));
    assert_eq!(world.running(), [3]);
    assert_eq!(world.supervisor.config(&web()).unwrap().command_text(), "c");
}

#[test]
fn a_stop_during_a_restart_stops_the_new_and_the_old() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Restart(web()));
    world.command(Command::Stop(web()));
    world.launch_all();
    world.obey();
    assert_eq!((world.running(), world.info("web").state), (vec![], JobState::Stopped));
}

#[test]
fn a_restart_starts_a_stopped_job_and_a_reload_does_not() {
    let mut world = World::new();
    world.command(Command::Load { config: job("web", |_| {}), start: false });
    world.command(Command::Reload(web()));
    assert_eq!(world.launch_all(), []);
    world.command(Command::Restart(web()));
    assert_eq!(world.launch_all(), [pid(1)]);
}

#[test]
fn a_reload_sets_the_number_back() {
    let mut world = World::with(job("web", |_| {}));
    world.scale("web", "+2");
    world.launch_all();
    world.command(Command::Reload(web()));
    world.launch_all();
    world.obey();
    assert_eq!(world.running(), [4]);
    assert_eq!(world.info("web").max_processes, 1);
}

#[test]
fn a_stopped_process_is_replaced_at_once_and_does_not_count_as_a_crash() {
    let mut world = World::with(job("web", |spec| spec.flapping = Some(Flapping::default())));
    for stopped in 1..=5 {
        world.command(Command::StopProcess(pid(stopped)));
        world.obey();
        assert_eq!(world.launch_all(), [pid(stopped + 1)]);
    }
    assert_eq!(world.info("web").restarts, 0);
}

#[test]
fn stopall_ends_all_and_they_come_back() {
    let mut world = three();
    world.command(Command::StopAll(web()));
    assert_eq!(world.terminating(), [1, 2, 3]);
    world.obey();
    world.launch_all();
    assert_eq!(world.running(), [4, 5, 6]);
}

#[test]
fn a_one_off_is_neither_counted_nor_replaced_and_goes_with_its_job() {
    let mut world = World::with(job("web", |_| {}));
    let ticket = world.commit("web");
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Launched(pid(2))));
    let info = world.info("web");
    assert_eq!((info.pids, info.once, info.running, info.running_out), (vec![pid(1)], vec![pid(2)], 2, 1));
    world.crash(pid(2));
    assert_eq!(world.in_state(State::Launching), []);
    world.commit("web");
    world.launch_all();
    world.command(Command::Stop(web()));
    assert_eq!(world.terminating(), [1, 3]);
}

#[test]
fn a_one_off_of_a_stopped_job_runs() {
    let mut world = World::new();
    world.command(Command::Load { config: job("web", |_| {}), start: false });
    let ticket = world.commit("web");
    world.fail_launches(&missing());
    let job = "web".parse().unwrap();
    assert_eq!(world.answers[&ticket], Err(Refusal::NotLaunched { job, error: missing() }));
    world.commit("web");
    assert_eq!(world.launch_all(), [pid(2)]);
}

#[test]
fn signals_reach_living_processes() {
    let mut world = three();
    let hup = Signal::new(1).unwrap();
    world.command(Command::Signal(pid(2), hup));
    world.command(Command::SignalJob(web(), hup));
    assert_eq!(world.signals, [(pid(2), hup), (pid(1), hup), (pid(2), hup), (pid(3), hup)]);
    let ticket = world.command(Command::Signal(pid(9), hup));
    assert_eq!(world.answers[&ticket], Err(Refusal::UnknownProcess(pid(9))));
}

#[test]
fn a_job_that_flaps_rests_is_tried_again_and_is_given_up() {
    let rule = Flapping { attempts: NonZeroU32::new(2).unwrap(), max_retry: 1, ..Flapping::default() };
    let mut world = World::with(job("web", |spec| spec.flapping = Some(rule)));
    world.crash(pid(1));
    world.launch_all();
    world.crash(pid(2));
    assert_eq!(world.take_events(), ["exit 1", "spawn 2", "exit 2", "flap", "stop"]);
    assert_eq!(world.info("web").state, JobState::Flapping);
    assert_eq!(world.info("web").cause.unwrap(), "2 exits within 1 s; retry 1 of 1 in 7 s");
    world.advance(rule.retry_in - Duration::from_nanos(1));
    assert_eq!(world.in_state(State::Launching), []);
    world.advance(Duration::from_nanos(1));
    assert_eq!(world.launch_all(), [pid(3)]);
    world.crash(pid(3));
    world.launch_all();
    world.crash(pid(4));
    assert_eq!(world.take_events(), ["start", "spawn 3", "exit 3", "spawn 4", "exit 4", "flap", "stop"]);
    assert_eq!(world.info("web").state, JobState::GivenUp);
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.info("web").running, 0);
    world.command(Command::Start(web()));
    assert_eq!(world.launch_all(), [pid(5)], "until somebody starts it");
    assert_eq!(world.info("web").cause, None);
}

#[test]
fn a_run_that_outlives_the_window_after_a_retry_resets_the_retries() {
    let rule = Flapping { max_retry: 1, ..Flapping::default() };
    let mut world = World::with(job("web", |spec| spec.flapping = Some(rule)));
    let mut flap = |first: u64| {
        world.crash(pid(first));
        world.launch_all();
        world.crash(pid(first + 1));
        let state = world.info("web").state;
        world.advance(rule.retry_in);
        world.launch_all();
        world.advance(rule.window);
        state
    };
    assert_eq!([flap(1), flap(3), flap(5), flap(7)], [JobState::Flapping; 4]);
}

#[test]
fn stopping_a_job_that_rests_ends_its_retry() {
    let mut world = World::with(job("web", |spec| spec.flapping = Some(Flapping::default())));
    world.crash(pid(1));
    world.launch_all();
    world.crash(pid(2));
    world.command(Command::Unload(web()));
    assert!(world.timers.is_empty());
    world.advance(Duration::from_secs(60));
    assert_eq!(world.in_state(State::Launching), []);
}

#[test]
fn a_flapping_job_takes_its_other_processes_along() {
    let mut world = World::with(job("web", |spec| {
        spec.numprocesses = 3;
        spec.flapping = Some(Flapping::default());
    }));
    world.crash(pid(1));
    world.crash(pid(2));
    assert_eq!(world.terminating(), [3]);
    world.launch_all();
    world.obey();
    assert_eq!(world.info("web").running, 0);
}

#[test]
fn a_failed_launch_is_told_once_backed_off_and_named_in_the_info() {
    let mut world = World::new();
    let ticket = world.load(&job("web", |_| {}));
    world.fail_launches(&missing());
    world.fail_launches(&missing());
    assert_eq!(world.answers[&ticket], Ok(Answer::Done), "the job is loaded all the same");
    assert_eq!(world.take_events(), ["create", "start", "spawn_error 1"]);
    assert_eq!(world.info("web").cause.unwrap(), "there is no program `run`");
    assert_eq!(world.in_state(State::Launching), []);
    world.advance(Duration::from_millis(100));
    world.answer_launch(pid(3), Err(crate::backend::SpawnError::NotPrivileged));
    assert_eq!(world.take_events(), ["spawn_error 3"], "told again when the cause changes");
    world.advance(Duration::from_millis(200));
    world.launch_all();
    assert_eq!(world.info("web").cause, None);
}

#[test]
fn a_rule_of_many_attempts_does_not_make_a_missing_program_burn_the_machine() {
    let rule = Flapping { attempts: NonZeroU32::new(100_000).unwrap(), ..Flapping::default() };
    let mut world = World::new();
    world.load(&job("web", |spec| spec.flapping = Some(rule)));
    let mut launches = 0;
    for _ in 0..100 {
        world.advance(Duration::from_millis(100));
        launches += world.in_state(State::Launching).len();
        world.fail_launches(&missing());
    }
    assert!(launches < 12, "{launches} launches in 10 s");
}

#[test]
fn an_unloaded_name_is_free_at_once_while_its_processes_end() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Unload(web()));
    assert_eq!(world.take_events(), ["stop", "stop_pid 1", "delete"]);
    let ticket = world.load(&job("web", |_| {}));
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    world.obey();
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_process_stopped_during_its_launch_ends_once_it_is_there() {
    let mut world = World::new();
    world.load(&job("web", |_| {}));
    world.command(Command::Stop(web()));
    world.launch_all();
    world.obey();
    assert_eq!(world.take_events(), ["create", "start", "stop", "spawn 1", "stop_pid 1", "exit 1"]);
}

#[test]
fn shutdown_goes_by_priority_under_one_deadline() {
    let mut world = World::new();
    world.load(&job("database", |spec| spec.priority = Some(0)));
    world.load(&job("app", |spec| spec.priority = Some(5)));
    world.load(&job("extra", |_| {}));
    world.load(&job("detached", |spec| spec.detach = true));
    world.launch_all();
    world.command(Command::Shutdown);
    assert_eq!(world.terminating(), [3], "what has no priority goes first");
    world.obey();
    assert_eq!(world.terminating(), [2]);
    world.advance(GRACE);
    assert!(world.processes[&pid(2)].killed && world.processes[&pid(1)].killed, "one deadline for all");
    world.exit(pid(2), ExitStatus::Signal(9), false);
    world.exit(pid(1), ExitStatus::Signal(9), false);
    assert_eq!(world.finished, Some(vec![]));
    assert_eq!(world.running(), [4], "detached ones are left alone");
    assert!(world.timers.is_empty());
}

#[test]
fn shutdown_ends_even_if_something_cannot_be_killed() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Shutdown);
    let ticket = world.command(Command::Start(web()));
    assert_eq!(world.answers[&ticket], Err(Refusal::ShuttingDown));
    world.command(Command::ShutdownNow);
    assert!(world.processes[&pid(1)].killed);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.finished, Some(vec![pid(1)]));
}

#[test]
fn shutdown_of_nothing_is_over_at_once() {
    let mut world = World::new();
    world.command(Command::Shutdown);
    assert_eq!(world.finished, Some(vec![]));
}

#[test]
fn a_crash_of_the_old_command_does_not_call_off_the_update_that_cures_it() {
    let rule = Flapping::default();
    let mut world = World::with(job("web", |spec| spec.flapping = Some(rule)));
    world.crash(pid(1));
    world.launch_all();
    let cured = job("web", |spec| {
        spec.cmd = Some("better".into());
        spec.flapping = Some(rule);
    });
    let ticket = world.command(Command::Update { config: cured, start: false });
    world.crash(pid(2));
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert_eq!((world.running(), world.info("web").state), (vec![3], JobState::Started));
}

#[test]
fn a_number_asked_for_during_an_update_stays() {
    let mut world = World::with(job("web", |_| {}));
    world.command(Command::Update { config: job("web", |spec| spec.numprocesses = 2), start: false });
    let ticket = world.scale("web", "=4");
    world.launch_all();
    world.obey();
    assert_eq!(world.answers[&ticket], Ok(Answer::Number(4)));
    assert_eq!(world.running().len(), 4);
}

#[test]
fn a_reload_during_an_update_waits_for_it() {
    let mut world = World::with(job("web", |_| {}));
    let update =
        world.command(Command::Update { config: job("web", |spec| spec.cmd = Some("b".into())), start: false });
    let reload = world.command(Command::Reload(web()));
    world.launch_all();
    world.obey();
    assert_eq!((&world.answers[&update], &world.answers[&reload]), (&Ok(Answer::Done), &Ok(Answer::Done)));
    assert_eq!(world.supervisor.config(&web()).unwrap().command_text(), "b");
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_stop_during_an_update_leaves_the_job_stopped_with_the_new_configuration() {
    let mut world = World::with(job("web", |_| {}));
    let update =
        world.command(Command::Update { config: job("web", |spec| spec.cmd = Some("b".into())), start: false });
    world.command(Command::Stop(web()));
    assert_eq!(world.answers[&update], Ok(Answer::Done));
    world.launch_all();
    world.obey();
    assert_eq!((world.running(), world.supervisor.config(&web()).unwrap().command_text()), (vec![], "b".into()));
}

#[test]
fn stopall_leaves_one_offs_alone() {
    let mut world = World::with(job("web", |_| {}));
    world.commit("web");
    world.launch_all();
    world.command(Command::StopAll(web()));
    assert_eq!(world.terminating(), [1]);
}

#[test]
fn a_launch_that_nobody_wants_any_more_is_taken_back_without_a_word() {
    let mut world = World::new();
    world.load(&job("web", |_| {}));
    world.command(Command::Stop(web()));
    assert!(world.cancelled.contains(&pid(1)));
    world.answer_launch(pid(1), Err(crate::backend::SpawnError::Cancelled));
    assert_eq!(world.take_events(), ["create", "start", "stop"]);
    assert_eq!(world.info("web").cause, None);
    world.command(Command::Start(web()));
    assert_eq!(world.launch_all(), [pid(2)]);
}

/// A configuration of `web`, which runs, as the node's file has it.
fn reconfigured(change: impl FnOnce(&mut crate::config::JobSpec)) -> Command {
    Command::Reconfigure(job("web", change))
}

#[test]
fn a_job_that_the_configuration_leaves_as_it_is_is_not_touched() {
    let mut world = three();
    world.scale("web", "=2");
    world.obey();
    world.take_events();
    let ticket = world.command(reconfigured(|spec| spec.numprocesses = 3));
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert_eq!(world.take_events(), [""; 0]);
    assert_eq!(world.running(), [2, 3]);
    assert_eq!(world.supervisor.standing(&web()).unwrap().origin, Origin::Configuration);
}

#[test]
fn what_says_how_processes_are_looked_after_changes_in_place() {
    let mut world = three();
    let ticket = world.command(reconfigured(|spec| {
        spec.numprocesses = 2;
        spec.graceful_timeout = Duration::from_secs(1);
        spec.priority = Some(1);
    }));
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    world.obey();
    assert_eq!(world.take_events(), ["update", "reap 1", "exit 1"]);
    assert_eq!(world.running(), [2, 3]);
    world.command(Command::Stop(web()));
    world.advance(Duration::from_secs(1));
    assert!(world.processes[&pid(2)].killed, "the new time counts for what ran before");
}

#[test]
fn another_command_replaces_what_runs_and_a_stopped_job_stays_stopped() {
    let mut world = World::with(job("web", |_| {}));
    world.command(reconfigured(|spec| spec.cmd = Some("new".into())));
    world.launch_all();
    world.obey();
    assert_eq!(world.running(), [2]);
    world.command(Command::Stop(web()));
    world.obey();
    world.command(reconfigured(|spec| spec.cmd = Some("newer".into())));
    assert_eq!(world.in_state(State::Launching), []);
    assert_eq!(world.supervisor.config(&web()).unwrap().command_text(), "newer");
}

#[test]
fn a_configuration_that_says_something_new_of_the_start_is_followed() {
    let mut world = World::with(job("web", |_| {}));
    world.command(reconfigured(|spec| spec.start = false));
    world.obey();
    assert_eq!(world.running(), [0; 0]);
    world.command(reconfigured(|_| {}));
    world.launch_all();
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_number_that_was_scaled_by_hand_stays_unless_the_configuration_says_another() {
    let mut world = World::with(job("web", |_| {}));
    world.scale("web", "=2");
    world.launch_all();
    world.command(reconfigured(|spec| spec.priority = Some(1)));
    assert_eq!(world.info("web").max_processes, 2);
    world.command(reconfigured(|spec| spec.numprocesses = 3));
    world.launch_all();
    assert_eq!(world.info("web").max_processes, 3);
    assert_eq!(world.running(), [1, 2, 3]);
}

#[test]
fn a_configuration_that_is_taken_back_while_it_is_rolled_out_costs_no_process() {
    let mut world = World::with(job("web", |_| {}));
    let first = world.command(reconfigured(|spec| spec.cmd = Some("new".into())));
    let second = world.command(reconfigured(|_| {}));
    assert_eq!(world.answers[&first], Err(Refusal::Superseded(web())));
    world.launch_all();
    assert_eq!(world.answers[&second], Ok(Answer::Done));
    world.obey();
    assert_eq!(world.running(), [1]);
}

#[test]
fn survivors_take_the_first_places_and_one_that_has_ended_is_launched_anew() {
    let survivor =
        |number: u64| Survivor { root: Root::parse(&format!("{number} 1")).unwrap(), mark: format!("node:{number}") };
    let mut world = World::new();
    let config = job("web", |spec| spec.numprocesses = 3);
    let standing = Standing::configured(&config, Origin::Configuration);
    let ticket = world.command(Command::Restore { config, standing, survivors: vec![survivor(100), survivor(200)] });
    world.answer_launch(pid(1), Ok(()));
    world.answer_launch(pid(2), Err(SpawnError::Gone));
    world.launch_all();
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert_eq!(world.running(), [1, 3, 4]);
    assert_eq!(world.take_events(), ["create", "start", "spawn 1", "spawn 3", "spawn 4"], "no error is told");
}

#[test]
fn how_a_job_stood_is_known_while_the_node_ends() {
    let mut world = three();
    world.scale("web", "=2");
    world.command(Command::Shutdown);
    let standing = world.supervisor.standing(&web()).unwrap();
    assert_eq!(standing, Standing { started: true, number: 2, origin: Origin::Client });
}
