//! Names, as nodes give them.

use gaffer_core::api::lookup::check_name;

use super::Refusal;

/// Refuses what is no name, and says of what it was to be one.
pub(super) fn check(what: &str, text: &str) -> Result<(), Refusal> {
    check_name(text).map_err(|problem| Refusal::Invalid(format!("`{what}` {problem}")))
}

/// The session that a job belongs to: what is before the first `:`, else the first `/`, else the last `.`; `default` if there is none.
///
/// As of a [`JobName`](gaffer_core::JobName), but of whatever a node calls its jobs.
pub(super) fn session_of(job: &str) -> &str {
    let parts = job.split_once(':').or_else(|| job.split_once('/')).or_else(|| job.rsplit_once('.'));
    match parts {
        Some((session, _)) if !session.is_empty() => session,
        Some(_) | None => gaffer_core::SessionId::DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use gaffer_core::{JobName, api::lookup::MAX_NAME};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["", "a\nb", "\u{1b}[2J", &"x".repeat(MAX_NAME + 1)] {
            assert!(check("name", wrong).is_err(), "{wrong:?}");
        }
        assert!(check("name", "größe 1").is_ok());
    }

    proptest! {
        #[test]
        fn a_session_is_that_of_the_job_s_name(text in "[a-c.:/]{0,8}") {
            if let Ok(name) = text.parse::<JobName>() {
                prop_assert_eq!(session_of(&text), name.session().as_str());
                let full = name.to_string();
                prop_assert_eq!(session_of(&full), name.session().as_str());
            }
        }
    }
}
