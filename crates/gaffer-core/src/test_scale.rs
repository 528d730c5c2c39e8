//! How many random histories the property tests run.

use proptest::test_runner::Config;

/// So many cases, or ten times as many if `GAFFER_TEST_SCALE=full`.
pub(crate) fn cases(cases: u32) -> Config {
    let full = std::env::var_os("GAFFER_TEST_SCALE").is_some_and(|scale| scale == "full");
    Config::with_cases(if full { cases * 10 } else { cases })
}
