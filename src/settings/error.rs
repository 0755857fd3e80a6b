use std::io;
use std::path::PathBuf;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the settings file {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}, line {line}, is not TOML: {message}")]
    NotToml { path: PathBuf, line: usize, message: String },
    #[error("{source_name}: there is no setting {key}{}", proposal(.nearest.as_deref()))]
    Unknown { source_name: String, key: String, nearest: Option<String> },
    #[error("{source_name}: {key} is a section: write its settings under [{key}]")]
    Section { source_name: String, key: String },
    #[error("{source_name}: {key} = {value} is not valid: {right}")]
    Invalid { source_name: String, key: String, value: String, right: String },
    #[error("the environment variable {0} is not UTF-8 text")]
    NotText(String),
    #[error("{given} is set, but {missing} is not: set both or neither")]
    Alone { given: &'static str, missing: &'static str },
}

fn proposal(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => String::from("; config/orlop.toml lists all"),
    }
}
