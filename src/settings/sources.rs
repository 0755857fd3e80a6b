//! Where settings come from, and in which order they count.

use std::ffi::OsString;
use std::path::PathBuf;

use toml::{Table, Value};

use super::known::{self, Kind};
use super::{Settings, SettingsError};

/// What variables of settings start with; two underscores part sections and keys.
const PREFIX: &str = "ORLOP__";

/// Keys whose values are not repeated in messages.
const SECRETS: &[&str] = &["metadata.url"];

/// All that says settings; later fields win.
#[derive(Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
    pub flags: Vec<Flag>,
}

/// A setting given on the command line.
pub struct Flag {
    /// As typed, such as `--listen`.
    pub name: &'static str,
    /// Such as `server.listen`.
    pub key: &'static str,
    pub value: String,
}

/// One setting from one source.
struct Given {
    source_name: String,
    path: Vec<String>,
    value: Value,
}

impl Settings {
    /// # Errors
    /// [`SettingsError`] at the first key that does not exist or whose value is not right.
    pub fn load(sources: Sources) -> Result<Self, SettingsError> {
        let mut table = Table::new();
        if let Some(path) = sources.file {
            merge(&mut table, from_file(path)?)?;
        }
        merge(&mut table, from_environment(sources.environment)?)?;
        merge(&mut table, from_flags(sources.flags)?)?;
        let settings: Self = table.try_into().map_err(|error: toml::de::Error| {
            // Each value was tried alone before, so this cannot be about a value of the user's.
            invalid("settings", "the whole", "", error.message())
        })?;
        settings.check()?;
        Ok(settings)
    }
}

fn from_file(path: PathBuf) -> Result<Vec<Given>, SettingsError> {
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(SettingsError::Unreadable { path, source }),
    };
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            return Err(SettingsError::NotToml { path, line, message: error.message().into() });
        }
    };
    let mut given = Vec::new();
    flatten(&path.display().to_string(), table, &mut Vec::new(), &mut given)?;
    Ok(given)
}

/// Takes tables apart where they are sections, and finds the keys that do not exist.
fn flatten(
    source_name: &str,
    table: Table,
    path: &mut Vec<String>,
    given: &mut Vec<Given>,
) -> Result<(), SettingsError> {
    for (name, value) in table {
        path.push(name);
        match (known::kind(path), value) {
            (Some(Kind::Section), Value::Table(table)) => {
                flatten(source_name, table, path, given)?;
            }
            (Some(Kind::Section), _) => {
                let (source_name, key) = (source_name.into(), path.join("."));
                return Err(SettingsError::Section { source_name, key });
            }
            (Some(_), value) => {
                given.push(Given { source_name: source_name.into(), path: path.clone(), value });
            }
            (None, Value::Table(table)) if !table.is_empty() => {
                flatten(source_name, table, path, given)?;
            }
            (None, _) => return Err(unknown(source_name, &path.join("."), str::to_owned)),
        }
        path.pop();
    }
    Ok(())
}

fn from_environment(variables: Vec<(OsString, OsString)>) -> Result<Vec<Given>, SettingsError> {
    let mut given = Vec::new();
    for (variable, value) in variables {
        let variable = variable.to_string_lossy().into_owned();
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        let Ok(value) = value.into_string() else { return Err(SettingsError::NotText(variable)) };
        let key = name.replace("__", ".").to_lowercase();
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let as_variable = |key: &str| format!("{PREFIX}{}", key.replace('.', "__").to_uppercase());
        match known::kind(&path) {
            Some(kind) if kind != Kind::Section && variable == as_variable(&key) => {
                let source_name = format!("environment variable {variable}");
                given.push(from_text(source_name, path, kind, &value)?);
            }
            _ => {
                let source_name = format!("environment variable {variable}");
                return Err(unknown(&source_name, &key, as_variable));
            }
        }
    }
    Ok(given)
}

fn from_flags(flags: Vec<Flag>) -> Result<Vec<Given>, SettingsError> {
    flags
        .into_iter()
        .map(|flag| {
            let path = flag.key.split('.').map(str::to_owned).collect();
            from_text(flag.name.into(), path, Kind::Plain, &flag.value)
        })
        .collect()
}

/// Text stands for itself where the setting is text, else for what it says as TOML; a list may
/// also stand with commas between its parts.
fn from_text(
    source_name: String,
    path: Vec<String>,
    kind: Kind,
    text: &str,
) -> Result<Given, SettingsError> {
    let literal = || {
        let mut table: Table = format!("value = {text}").parse().ok()?;
        table.remove("value").filter(|_| table.is_empty())
    };
    let plain = match kind {
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.into())).collect())
        }
        _ => Value::String(text.into()),
    };
    let literal = literal().filter(|literal| kind != Kind::List || literal.is_array());
    let candidates: Vec<Value> = match kind {
        Kind::List => literal.into_iter().chain([plain]).collect(),
        _ => [plain].into_iter().chain(literal).collect(),
    };
    let mut first_error = None;
    for value in candidates {
        match try_alone(&path, &value) {
            Ok(()) => return Ok(Given { source_name, path, value }),
            Err(right) => first_error.get_or_insert(right),
        };
    }
    let right = first_error.expect("there is at least the text itself");
    Err(invalid(&source_name, &path.join("."), text, &right))
}

fn merge(table: &mut Table, given: Vec<Given>) -> Result<(), SettingsError> {
    for Given { source_name, path, value } in given {
        try_alone(&path, &value)
            .map_err(|right| invalid(&source_name, &path.join("."), &value.to_string(), &right))?;
        insert(table, &path, value);
    }
    Ok(())
}

/// Whether one setting is right, whatever the others say; the message tells what would be.
fn try_alone(path: &[String], value: &Value) -> Result<(), String> {
    let mut table = Table::new();
    insert(&mut table, path, value.clone());
    let settings: Result<Settings, _> = table.try_into();
    settings.map(drop).map_err(|error| error.message().to_owned())
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let Some((name, sections)) = path.split_last() else { return };
    let section = sections.iter().fold(table, |table, section| {
        let next = table.entry(section.as_str()).or_insert_with(|| Value::Table(Table::new()));
        next.as_table_mut().expect("only sections hold settings")
    });
    section.insert(name.clone(), value);
}

fn unknown(source_name: &str, key: &str, form: impl Fn(&str) -> String) -> SettingsError {
    SettingsError::Unknown {
        source_name: source_name.into(),
        key: key.into(),
        nearest: known::nearest(key).map(|key| form(&key)),
    }
}

fn invalid(source_name: &str, key: &str, value: &str, right: &str) -> SettingsError {
    let value = if SECRETS.contains(&key) { "***" } else { value };
    SettingsError::Invalid {
        source_name: source_name.into(),
        key: key.into(),
        value: value.into(),
        right: right.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn from_file(text: &str) -> Result<Settings, String> {
        load(text, &[], Vec::new())
    }

    fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, String> {
        load("", variables, Vec::new())
    }

    fn load(file: &str, variables: &[(&str, &str)], flags: Vec<Flag>) -> Result<Settings, String> {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(file.as_bytes()).unwrap();
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let file = Some(written.path().to_owned());
        let sources = Sources { file, environment: environment.collect(), flags };
        let path = written.path().display().to_string();
        Settings::load(sources).map_err(|error| error.to_string().replace(&path, "FILE"))
    }

    #[test]
    fn later_sources_win() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 7\n\
                    idle_timeout_seconds = 5\n";
        let variables =
            [("ORLOP__SERVER__LISTEN", "127.0.0.1:2"), ("ORLOP__SERVER__MAX_CONNECTIONS", "8")];
        let flag = Flag { name: "--listen", key: "server.listen", value: "127.0.0.1:3".into() };
        let settings = load(file, &variables, vec![flag]).unwrap();
        assert_eq!(settings.server.listen.port(), 3);
        assert_eq!(settings.server.max_connections, 8);
        assert_eq!(settings.server.idle_timeout_seconds, 5);
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest() {
        let cases = [
            (
                "[server]\nlistn = 1",
                "FILE: there is no setting server.listn; did you mean server.listen?",
            ),
            ("listen = 1", "FILE: there is no setting listen; did you mean server.listen?"),
            (
                "[sever]\nlisten = 1",
                "FILE: there is no setting sever.listen; did you mean server.listen?",
            ),
            ("[qqq]", "FILE: there is no setting qqq; config/orlop.toml lists all"),
            ("server = 1", "FILE: server is a section: write its settings under [server]"),
        ];
        for (file, message) in cases {
            assert_eq!(from_file(file).unwrap_err(), message);
        }
        assert_eq!(
            from_environment(&[("ORLOP__SERVER__LISTN", "x")]).unwrap_err(),
            "environment variable ORLOP__SERVER__LISTN: there is no setting server.listn; \
             did you mean ORLOP__SERVER__LISTEN?"
        );
        assert!(from_environment(&[("ORLOP__SERVER", "x")]).is_err());
        assert!(from_environment(&[("ORLOP__server__listen", "127.0.0.1:1")]).is_err());
        assert!(from_environment(&[("ORLOP_ADMIN_PASSWORD", "x"), ("ORLOP", "x")]).is_ok());
    }

    #[test]
    fn wrong_values_are_named_with_what_is_right() {
        let cases = [
            (
                "[server]\nlisten = \"5000\"",
                "FILE: server.listen = \"5000\" is not valid: use IP:PORT",
            ),
            (
                "[server]\nidle_timeout_seconds = 0",
                "server.idle_timeout_seconds = 0 is not valid: use a whole number from 1 to",
            ),
            ("[server]\nmax_connections = \"many\"", "= \"many\" is not valid: use a whole number"),
            ("[server]\npublic_url = \"registry.example.com\"", "use http://HOST"),
            ("[server]\npublic_url = \"https://registry.example.com/path\"", "use http://HOST"),
            ("[storage]\nurl = \"ftp://x\"", "gs://BUCKET/PREFIX or file:///PATH"),
            ("[storage]\nurl = \"s3://key:secret@bucket\"", "use s3://BUCKET"),
            ("[storage]\nurl = \"file://relative\"", "or file:///PATH"),
            ("[log]\nformat = \"xml\"", "use \"text\" or \"json\""),
            ("[log]\nlevel = \"loud=very\"", "use off, error"),
            ("[registry]\nsparse_indexes = \"yes\"", "expected a boolean"),
            ("[registry]\nmax_blob_bytes = 0", "at least 1"),
            ("[auth]\nanonymous_pull = \"public/*\"", "use a list of patterns"),
            ("[auth]\nanonymous_pull = [\"Public/*\"]", "\"Public/*\" is not a repository pattern"),
            ("[server]\ntls_cert = \"a.pem\"", "server.tls_cert is set, but server.tls_key is not"),
            ("[server]\n\nlisten = ", "FILE, line 3, is not TOML"),
            (
                "[server]\nlisten = \"a\"\nlisten = \"b\"",
                "FILE, line 3, is not TOML: duplicate key",
            ),
        ];
        for (file, message) in cases {
            let error = from_file(file).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn text_is_read_as_the_type_of_its_setting() {
        let settings = from_environment(&[
            ("ORLOP__SERVER__MAX_CONNECTIONS", "8"),
            ("ORLOP__REGISTRY__SPARSE_INDEXES", "false"),
            ("ORLOP__REGISTRY__MAX_BLOB_BYTES", "1_000"),
            ("ORLOP__AUTH__ANONYMOUS_PULL", "public/*, docs"),
            ("ORLOP__STORAGE__DATA_DIR", "7"),
            ("ORLOP__SERVER__PUBLIC_URL", "https://registry.example.com/"),
        ])
        .unwrap();
        assert_eq!(settings.server.max_connections, 8);
        assert!(!settings.registry.sparse_indexes);
        assert_eq!(settings.registry.max_blob_bytes, Some(1000));
        assert_eq!(settings.auth.anonymous_pull, ["public/*", "docs"]);
        assert_eq!(settings.storage.data_dir.as_os_str(), "7");
        assert_eq!(settings.server.public_url.as_deref(), Some("https://registry.example.com"));
        for (list, expected) in
            [("[\"a\", \"b/*\"]", vec!["a", "b/*"]), ("", vec![]), ("*", vec!["*"])]
        {
            let settings = from_environment(&[("ORLOP__AUTH__ANONYMOUS_PULL", list)]).unwrap();
            assert_eq!(settings.auth.anonymous_pull, expected);
        }
        for (variable, value, message) in [
            ("ORLOP__SERVER__MAX_CONNECTIONS", "0", "= 0 is not valid: use a whole number from 1"),
            ("ORLOP__REGISTRY__SPARSE_INDEXES", "1", "expected a boolean"),
            ("ORLOP__AUTH__ANONYMOUS_PULL", "A", "\"A\" is not a repository pattern"),
            ("ORLOP__SERVER__LISTEN", "1\nserver.x = 2", "use IP:PORT"),
        ] {
            let error = from_environment(&[(variable, value)]).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn messages_keep_secrets() {
        let error = from_file("[metadata]\nurl = [\"postgres://me:hush@db\"]").unwrap_err();
        assert!(error.contains("metadata.url = ***") && !error.contains("hush"), "{error}");
    }
}
