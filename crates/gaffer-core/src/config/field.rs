//! Mistakes in a job's fields.

use std::fmt;

/// One mistake in one field: what was found, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field's name, as the user wrote it.
    pub field: String,
    /// What is wrong and what was expected, as a fragment that reads well after `field: `.
    pub problem: String,
}

impl FieldError {
    /// Joins a field's name and the problem.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// Every mistake of one job's configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig(pub Vec<FieldError>);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

impl From<FieldError> for InvalidConfig {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}
