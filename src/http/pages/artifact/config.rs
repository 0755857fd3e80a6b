//! The config of an image, as a person reads it (image-spec, config.md), and of anything else.

use serde_json::Value;

/// Entries of the history that are shown.
const STEPS_SHOWN: usize = 150;

/// What builders write that give no time, so that the same content has the same digest.
const NO_TIME: &str = "0001-01-01T";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub platform: String,
    pub created: Option<String>,
    pub author: Option<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub entrypoint: Option<String>,
    pub command: Option<String>,
    pub stop_signal: Option<String>,
    pub ports: Vec<String>,
    pub volumes: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    /// Which layer it made, if one.
    pub layer: Option<usize>,
}

impl Config {
    pub fn read(value: &Value) -> Self {
        let config = &value["config"];
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(Into::into);
        let keys = |value: &Value| -> Vec<String> {
            value.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect()
        };
        let (os, architecture) = (text(&value["os"]), text(&value["architecture"]));
        let variant: Option<String> = text(&value["variant"]);
        let platform: Vec<String> = [os, architecture, variant].into_iter().flatten().collect();
        let environment = config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let labels = config["Labels"].as_object().into_iter().flatten();
        Self {
            platform: platform.join("/"),
            created: text(&value["created"]).filter(|time| !time.starts_with(NO_TIME)),
            author: text(&value["author"]),
            user: text(&config["User"]),
            working_dir: text(&config["WorkingDir"]),
            entrypoint: words(&config["Entrypoint"]),
            command: words(&config["Cmd"]),
            stop_signal: text(&config["StopSignal"]),
            ports: keys(&config["ExposedPorts"]),
            volumes: keys(&config["Volumes"]),
            environment: environment
                .map(|line| line.split_once('=').unwrap_or((line, "")))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            labels: labels
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            steps: steps(&value["history"]),
        }
    }

    /// The commands that made the layers, in their order.
    pub fn layer_steps(&self) -> Vec<String> {
        self.steps.iter().filter(|s| s.layer.is_some()).map(|s| s.command.clone()).collect()
    }

    /// What is said in one line each.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let list = |items: &[String]| (!items.is_empty()).then(|| items.join(", "));
        let facts = [
            ("Platform", Some(self.platform.clone()).filter(|text| !text.is_empty())),
            ("Created", self.created.clone()),
            ("Author", self.author.clone()),
            ("Entry point", self.entrypoint.clone()),
            ("Command", self.command.clone()),
            ("Working folder", self.working_dir.clone()),
            ("User", self.user.clone()),
            ("Ports", list(&self.ports)),
            ("Volumes", list(&self.volumes)),
            ("Stop signal", self.stop_signal.clone()),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Settings that are shown, and how deep they may lie.
const SETTINGS_SHOWN: usize = 60;
const DEPTH_SHOWN: usize = 4;

/// The values of a config of any kind, each with the path to it, such as `config.format`.
pub fn settings(config: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(config, "", DEPTH_SHOWN, &mut found);
    found.retain(|(_, value)| !value.is_empty());
    found
}

fn collect(value: &Value, path: &str, depth: usize, found: &mut Vec<(String, String)>) {
    if found.len() >= SETTINGS_SHOWN {
        return;
    }
    match value {
        Value::Object(fields) if depth > 0 => {
            let separator = if path.is_empty() { "" } else { "." };
            for (name, value) in fields {
                collect(value, &format!("{path}{separator}{name}"), depth - 1, found);
            }
        }
        Value::Null => {}
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            found.push((path.to_owned(), items.join(", ")));
        }
        other => found.push((path.to_owned(), other.to_string())),
    }
}

/// A command line, quoted where words hold blanks.
fn words(value: &Value) -> Option<String> {
    let words = value.as_array()?.iter().filter_map(Value::as_str);
    let quoted = words.map(|word| {
        let is_plain = !word.is_empty() && !word.contains([' ', '"', '\'', '\n', '\t']);
        if is_plain { word.to_owned() } else { format!("{word:?}") }
    });
    let line = quoted.collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

fn steps(history: &Value) -> Vec<Step> {
    let mut layer = 0;
    let entries = history.as_array().into_iter().flatten().take(STEPS_SHOWN);
    entries
        .map(|entry| {
            let is_empty = entry["empty_layer"].as_bool() == Some(true);
            let command = entry["created_by"].as_str().or_else(|| entry["comment"].as_str());
            let command = command.unwrap_or_default().trim();
            let command = command.strip_prefix("/bin/sh -c #(nop)").unwrap_or(command).trim();
            layer += usize::from(!is_empty);
            Step { command: command.to_owned(), layer: (!is_empty).then(|| layer - 1) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_read_as_far_as_it_makes_sense() {
        let config = Config::read(&json!({
            "os": "linux", "architecture": "arm", "variant": "v7",
            "config": {
                "Env": ["PATH=/bin:/x=y", "EMPTY"], "Entrypoint": ["/bin/sh", "-c", "echo hi"],
                "Cmd": [], "Labels": {"a": "<b>", "n": 1}, "ExposedPorts": {"80/tcp": {}},
            },
            "history": [
                {"created_by": "ADD rootfs"},
                {"created_by": "/bin/sh -c #(nop) ENV a=b", "empty_layer": true},
                {"created_by": "RUN make"},
            ],
        }));
        assert_eq!(config.platform, "linux/arm/v7");
        assert_eq!(config.entrypoint.as_deref(), Some("/bin/sh -c \"echo hi\""));
        assert_eq!(config.command, None);
        let env = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(config.environment, [env("PATH", "/bin:/x=y"), env("EMPTY", "")]);
        assert_eq!(config.labels, [env("a", "<b>")]);
        assert_eq!(config.layer_steps(), ["ADD rootfs", "RUN make"]);
        assert_eq!(config.steps[1].command, "ENV a=b");
        assert_eq!(config.steps[2].layer, Some(1));
    }

    #[test]
    fn settings_of_any_config_have_a_path() {
        let found = settings(&json!({
            "name": "tiny", "n": 8, "none": null, "empty": [],
            "config": {"format": "safetensors", "of": ["a", "b"], "deep": {"er": {"est": {"x": 1}}}},
        }));
        let found: Vec<_> = found.iter().map(|(path, value)| (&**path, &**value)).collect();
        let expected = [
            ("config.deep.er.est", "{\"x\":1}"),
            ("config.format", "safetensors"),
            ("config.of", "a, b"),
            ("n", "8"),
            ("name", "tiny"),
        ];
        assert_eq!(found, expected);
        assert!(settings(&json!({})).is_empty());
    }

    #[test]
    fn what_is_no_config_is_an_empty_one() {
        for value in [json!([]), json!({"config": 7, "history": {}}), json!(null)] {
            assert_eq!(Config::read(&value), Config::default());
        }
    }
}
