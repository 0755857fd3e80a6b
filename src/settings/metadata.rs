use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::fields;

/// `[metadata]`: where the rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetadataSettings {
    /// The SQLite file `orlop.db` in the data folder if absent.
    pub url: Option<DatabaseUrl>,
    /// Connections of this process to PostgreSQL. SQLite has its own number.
    #[serde(deserialize_with = "fields::between::<2, 1000, _, _>")]
    pub max_connections: u32,
    /// Memory for manifests and blobs that were asked for lately, in bytes: 0 for none. Of use with
    /// SQLite only.
    #[serde(deserialize_with = "fields::between::<0, 0x4000_0000, _, _>")]
    pub cache_bytes: u32,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        Self { url: None, max_connections: 16, cache_bytes: 16 << 20 }
    }
}

/// The URL of a database. Shown, it hides the password that it may hold.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole URL, with its password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.split_once("://").and_then(|(scheme, rest)| {
            let (user, host) = rest.rsplit_once('@')?;
            let (name, _) = user.split_once(':')?;
            Some((scheme, name, host))
        });
        match hidden {
            Some((scheme, name, host)) => write!(f, "{scheme}://{name}:***@{host}"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_hides_its_password() {
        let shown = |url: &str| DatabaseUrl(url.to_owned()).to_string();
        assert_eq!(shown("postgres://me:p@ss@db/orlop"), "postgres://me:***@db/orlop");
        assert_eq!(shown("postgres://me@db/orlop"), "postgres://me@db/orlop");
        assert_eq!(shown("sqlite:///data/orlop.db"), "sqlite:///data/orlop.db");
        assert_eq!(format!("{:?}", DatabaseUrl("a://b:c@d".into())), "\"a://b:***@d\"");
    }
}
