use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;

use super::local::Found;
use crate::settings::SettingsError;

/// Why a command failed. Any error becomes one with `?`.
#[derive(Debug)]
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// 2 if the command line or the settings are wrong (as clap has it), 3 if a look for damage
    /// found some, else 1.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match &self.0 {
            error if error.is::<SettingsError>() => 2,
            error if error.is::<Found>() => 3,
            _ => 1,
        })
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// The error and its causes in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors tell their cause themselves.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn causes_stand_in_one_line_and_once() {
        let last = Link { text: "no such file", source: None };
        let middle = Link { text: "cannot read: no such file", source: Some(last.into()) };
        let first = Link { text: "cannot start", source: Some(middle.into()) };
        assert_eq!(Error::from(first).to_string(), "cannot start: cannot read: no such file");
    }
}
