//! Profiles in the files that Amazon's tools share (`~/.aws/credentials`, `~/.aws/config`): keys,
//! region and endpoint. Not what has to be asked for first: roles, programs, sign-ins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use configparser::ini::Ini;

use crate::storage::StorageError;

/// Where else keys may come from by a profile. Taking another one instead would be another identity.
const UNSUPPORTED: [&str; 9] = [
    "role_arn",
    "source_profile",
    "credential_source",
    "web_identity_token_file",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "login_session",
];

/// What is known of the environment: a variable that is set to nothing is not set.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a profile says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    name: String,
    /// Whether somebody asked for it, and it is not just the one that is taken otherwise.
    pub is_named: bool,
    values: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl Profile {
    /// The profile that the environment names, or else `default`, which need not be there.
    ///
    /// # Errors
    /// [`StorageError::Profile`]
    pub fn load(variable: Variable<'_>) -> Result<Self, StorageError> {
        let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let name = named.clone().unwrap_or_else(|| "default".into());
        let mut profile = Self { name, is_named: named.is_some(), values: BTreeMap::new() };
        let mut is_there = false;
        let own = format!("profile {}", profile.name);
        // What comes later counts: keys are looked for in their own file first.
        let files = [
            ("AWS_CONFIG_FILE", ".aws/config", vec![own.as_str()]),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", vec![profile.name.as_str()]),
        ];
        let mut values = BTreeMap::new();
        for (file_variable, usual, mut sections) in files {
            if profile.name == "default" && usual.ends_with("config") {
                sections.insert(0, "default");
            }
            let ini = profile.read_file(variable, file_variable, usual)?;
            for section in sections {
                let Some(found) = ini.get_map_ref().get(section) else { continue };
                is_there = true;
                let found = found.iter().filter_map(|(key, value)| {
                    Some((key.clone(), value.clone().filter(|value| !value.is_empty())?))
                });
                values.extend(found);
            }
        }
        if profile.is_named && !is_there {
            let reason = "it stands neither in the file of credentials nor in that of settings";
            return Err(profile.error(reason));
        }
        profile.values = values;
        Ok(profile)
    }

    /// A file that is not there is empty, unless somebody said that it is.
    fn read_file(
        &self,
        variable: Variable<'_>,
        file_variable: &str,
        usual: &str,
    ) -> Result<Ini, StorageError> {
        let mut ini = Ini::new_cs();
        ini.set_default_section("");
        // What stands indented below a key belongs to it.
        ini.set_multiline(true);
        let home = variable("HOME").map(PathBuf::from);
        let told = variable(file_variable);
        let path = match (&told, home) {
            (Some(told), home) => match (told.strip_prefix("~/"), home) {
                (Some(below), Some(home)) => home.join(below),
                _ => PathBuf::from(told),
            },
            (None, Some(home)) => home.join(usual),
            (None, None) => return Ok(ini),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // The home of another user, or none.
            Err(_) if told.is_none() => return Ok(ini),
            Err(error) => return Err(self.error_in(&path, &error.to_string())),
        };
        ini.read(text).map_err(|error| self.error_in(&path, &error))?;
        Ok(ini)
    }

    /// The keys of the profile, if it has any.
    ///
    /// # Errors
    /// [`StorageError::Profile`] if it says that they are to be got in a way that is not known here.
    pub fn keys(&self) -> Result<Option<Keys>, StorageError> {
        if let Some(key) = UNSUPPORTED.into_iter().find(|key| self.values.contains_key(*key)) {
            return Err(self.error(&format!(
                "{key} is not supported: give it aws_access_key_id and aws_secret_access_key, or \
                 set variables by `aws configure export-credentials --format env`"
            )));
        }
        let secret = self.get("aws_secret_access_key");
        match (self.get("aws_access_key_id"), secret) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => {
                Ok(Some(Keys { id, secret, token: self.get("aws_session_token") }))
            }
            (id, _) => {
                let lacks =
                    if id.is_none() { "aws_access_key_id" } else { "aws_secret_access_key" };
                Err(self.error(&format!("{lacks} is missing")))
            }
        }
    }

    pub fn region(&self) -> Option<String> {
        self.get("region")
    }

    /// # Errors
    /// [`StorageError::Profile`] if it stands at a place that is not looked at here.
    pub fn endpoint(&self) -> Result<Option<String>, StorageError> {
        if self.values.contains_key("services") {
            let reason = "services is not supported: set endpoint_url, or [storage] endpoint";
            return Err(self.error(reason));
        }
        Ok(self.get("endpoint_url"))
    }

    fn get(&self, key: &str) -> Option<String> {
        self.values.get(key).cloned()
    }

    fn error_in(&self, path: &Path, reason: &str) -> StorageError {
        self.error(&format!("{}: {reason}", path.display()))
    }

    fn error(&self, reason: &str) -> StorageError {
        StorageError::Profile { name: self.name.clone(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with both files, and the profile of the environment that names them and `profile`.
    fn load(config: &str, credentials: &str, profile: &str) -> Result<Profile, StorageError> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        std::fs::write(home.path().join("keys"), credentials).unwrap();
        Profile::load(&|name| match name {
            "HOME" => Some(home.path().display().to_string()),
            "AWS_SHARED_CREDENTIALS_FILE" => Some("~/keys".into()),
            "AWS_PROFILE" => Some(profile.to_owned()).filter(|name| !name.is_empty()),
            _ => None,
        })
    }

    const CONFIG: &str = "\
        # a comment\n\
        [default]\n\
        region = eu-west-1\n\
        [profile Store]\n\
        region=eu-central-1 # home\n\
        endpoint_url = https://s3.example.org:8080/\n\
        s3 =\n  addressing_style = path\n  region = nonsense\n\
        aws_access_key_id = less\n\
        [profile runs]\n\
        credential_process = /bin/keys\n";
    const CREDENTIALS: &str = "\
        [Store]\n  aws_access_key_id = AKIA1\n  aws_secret_access_key = a/b+c=\n\
        aws_session_token = t=o=k==\n\
        [half]\naws_access_key_id = AKIA2\n\
        [plain]\naws_access_key_id = AKIA3\naws_secret_access_key = s\n";

    #[test]
    fn a_profile_is_read_from_both_files() {
        let store = load(CONFIG, CREDENTIALS, "Store").unwrap();
        let keys =
            Keys { id: "AKIA1".into(), secret: "a/b+c=".into(), token: Some("t=o=k==".into()) };
        assert_eq!(store.keys().unwrap(), Some(keys));
        assert_eq!(store.region().as_deref(), Some("eu-central-1"));
        let endpoint = store.endpoint().unwrap();
        assert_eq!(endpoint.as_deref(), Some("https://s3.example.org:8080/"));
        let plain = load(CONFIG, CREDENTIALS, "plain").unwrap();
        assert_eq!(plain.keys().unwrap().map(|keys| keys.token), Some(None));
        assert_eq!((plain.region(), plain.endpoint().unwrap()), (None, None));
    }

    #[test]
    fn nothing_need_be_there_unless_it_is_named() {
        let default = load(CONFIG, CREDENTIALS, "").unwrap();
        assert_eq!((default.keys().unwrap(), default.is_named), (None, false));
        assert_eq!(default.region().as_deref(), Some("eu-west-1"));
        let nowhere = Profile::load(&|name| (name == "HOME").then(|| "/nowhere".into())).unwrap();
        assert_eq!((nowhere.keys().unwrap(), nowhere.region()), (None, None));
        assert_eq!(Profile::load(&|_| None).unwrap().keys().unwrap(), None);

        let named = |name: &str| load(CONFIG, CREDENTIALS, name).unwrap_err().to_string();
        assert!(named("Nobody").contains("\"Nobody\""), "{}", named("Nobody"));
        let missing = Profile::load(&|name| (name == "AWS_CONFIG_FILE").then(|| "/no/file".into()));
        let missing = missing.unwrap_err().to_string();
        assert!(missing.contains("/no/file"), "{missing}");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let keys = |name| load(CONFIG, CREDENTIALS, name).unwrap().keys().unwrap_err().to_string();
        assert!(keys("runs").contains("credential_process is not supported"), "{}", keys("runs"));
        assert!(keys("half").contains("aws_secret_access_key is missing"), "{}", keys("half"));
        let services = load("[profile a]\nservices = mine\n", "", "a").unwrap();
        assert!(services.endpoint().unwrap_err().to_string().contains("services"));
        let broken = load("[profile a\n", "", "a").unwrap_err().to_string();
        assert!(broken.contains("config: line 1"), "{broken}");
    }
}
