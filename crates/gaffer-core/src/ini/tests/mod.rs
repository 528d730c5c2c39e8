//! Tests of the whole reader, from text to answer.

mod files;
mod laws;
mod mistakes;
mod plugin_file;
mod rules;
mod sections;
mod user_file;

use super::NodeConfig;

/// Reads a text that must be good.
#[track_caller]
fn good(text: &str) -> NodeConfig {
    match NodeConfig::parse("gaffer.ini", text) {
        Ok(config) => config,
        Err(errors) => panic!("{text:?} was refused:\n{errors}"),
    }
}

/// What is said of a text that must not be good.
#[track_caller]
fn bad(text: &str) -> String {
    match NodeConfig::parse("gaffer.ini", text) {
        Ok(config) => panic!("{text:?} was read as {config:?}"),
        Err(errors) => errors.to_string(),
    }
}

/// Holds what is said of each text against what should be said.
#[track_caller]
fn bad_each(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        assert_eq!(bad(text), *message, "{text:?}");
    }
}

/// The warnings of a text, one a line.
#[track_caller]
fn warnings(text: &str) -> String {
    good(text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
