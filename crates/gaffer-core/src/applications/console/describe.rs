//! Events in words.

use crate::{
    events::{Detail, Event},
    names::Signal,
};

/// What happened. `job` is what the job is called; `reasons` are told of exits that were no good ones.
pub(super) fn describe(event: &Event, job: &str, reasons: bool) -> String {
    let os_pid = event.process.and_then(|process| process.os_pid);
    let subject = match os_pid {
        Some(os_pid) => format!("process with pid {os_pid}"),
        None => job.to_owned(),
    };
    let kind = event.kind;
    match &event.detail {
        Detail::Reason(reason) => format!("{kind} {subject}: {reason}"),
        Detail::Exit { term_signal, .. } if reasons && *term_signal != 0 => match Signal::new(*term_signal) {
            Ok(signal) => format!("{kind} {subject} ({signal})"),
            Err(_) => format!("{kind} {subject} (signal {term_signal})"),
        },
        Detail::Exit { exit_code, .. } if reasons && *exit_code != 0 => format!("{kind} {subject} (code {exit_code})"),
        Detail::None | Detail::Spawn { .. } | Detail::Exit { .. } => format!("{kind} {subject}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::{EventKind, EventProcess},
        names::{OsPid, ProcessId},
    };

    fn exit(exit_code: i32, term_signal: i32) -> Event {
        Event {
            kind: EventKind::Exit,
            job: "web".parse().unwrap(),
            process: Some(EventProcess { pid: ProcessId::new(1), os_pid: OsPid::new(7) }),
            detail: Detail::Exit { exit_code, term_signal, once: false },
        }
    }

    #[test]
    fn exits_tell_what_was_wrong_if_they_are_to() {
        for ((code, signal), expected) in [
            ((0, 0), "exit process with pid 7"),
            ((1, 0), "exit process with pid 7 (code 1)"),
            ((0, 9), "exit process with pid 7 (SIGKILL)"),
            ((0, 40), "exit process with pid 7 (signal 40)"),
        ] {
            assert_eq!(describe(&exit(code, signal), "web", true), expected);
            assert_eq!(describe(&exit(code, signal), "web", false), "exit process with pid 7");
        }
    }

    #[test]
    fn what_concerns_no_process_concerns_the_job_by_the_name_it_has_here() {
        let mut event = Event { kind: EventKind::Start, process: None, detail: Detail::None, ..exit(0, 0) };
        assert_eq!(describe(&event, "web.1", true), "start web.1");
        event.kind = EventKind::Flap;
        event.detail = Detail::Reason("too often".to_owned());
        assert_eq!(describe(&event, "web.1", true), "flap web.1: too often");
    }
}
