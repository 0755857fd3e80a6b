//! Attestations: in-toto statements, plain, in a DSSE envelope or in a Sigstore bundle.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::packages::facts;

pub struct Statement {
    predicate_type: String,
    subjects: Vec<String>,
    pub predicate: Value,
    /// The whole, without the envelope.
    pub text: Value,
    signatures: usize,
}

impl Statement {
    pub fn read(document: &Value) -> Option<Self> {
        let envelope = document.get("dsseEnvelope").unwrap_or(document);
        let (statement, signatures) = match envelope["payload"].as_str() {
            Some(payload) => {
                let bytes = STANDARD.decode(payload).ok()?;
                let signatures = envelope["signatures"].as_array().map_or(0, Vec::len);
                (serde_json::from_slice(&bytes).ok()?, signatures)
            }
            None => (document.clone(), 0),
        };
        let predicate_type = statement["predicateType"].as_str()?.to_owned();
        let subjects = statement["subject"].as_array().into_iter().flatten();
        let subjects = subjects.map(|subject| {
            let name = subject["name"].as_str().unwrap_or_default();
            let digest = subject["digest"].as_object().and_then(|map| map.iter().next());
            digest.map_or_else(
                || name.to_owned(),
                |(algorithm, hex)| {
                    format!("{name} {algorithm}:{}", hex.as_str().unwrap_or_default())
                },
            )
        });
        let subjects = subjects.take(20).collect();
        let predicate = statement["predicate"].clone();
        Some(Self { predicate_type, subjects, predicate, text: statement, signatures })
    }

    pub fn title(&self) -> String {
        if self.predicate_type.contains("sigstore.dev/cosign/sign") {
            return "Signature by cosign".into();
        }
        let kind = if self.predicate_type.contains("slsa.dev/provenance") {
            "SLSA provenance"
        } else if self.predicate_type.contains("vuln") {
            "Vulnerability report"
        } else {
            "in-toto statement"
        };
        format!("Attestation, {kind}")
    }

    /// What it says, most of all of where something was built (SLSA 0.2 and 1.0).
    pub fn facts(&self) -> Vec<(String, String)> {
        let predicate = &self.predicate;
        let definition = &predicate["buildDefinition"];
        let run = &predicate["runDetails"];
        let source = &predicate["invocation"]["configSource"];
        let signed = Value::from(match self.signatures {
            0 => "no signature in this document".to_owned(),
            1 => "1 signature, not checked here".to_owned(),
            n => format!("{n} signatures, not checked here"),
        });
        facts(&[
            ("Predicate", &Value::from(self.predicate_type.clone())),
            ("About", &Value::from(self.subjects.clone())),
            ("Signed", &signed),
            ("Builder", &predicate["builder"]["id"]),
            ("Builder", &run["builder"]["id"]),
            ("Build type", &predicate["buildType"]),
            ("Build type", &definition["buildType"]),
            ("Source", &source["uri"]),
            ("Entry point", &source["entryPoint"]),
            ("Invocation", &run["metadata"]["invocationId"]),
            ("Started", &predicate["metadata"]["buildStartedOn"]),
            ("Started", &run["metadata"]["startedOn"]),
            ("Finished", &predicate["metadata"]["buildFinishedOn"]),
            ("Finished", &run["metadata"]["finishedOn"]),
        ])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_is_found_in_whatever_holds_it() {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "app", "digest": {"sha256": "abc"}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"runDetails": {"builder": {"id": "https://ci.example"}}},
        });
        let payload = STANDARD.encode(statement.to_string());
        let envelope = json!({"payload": payload, "signatures": [{}]});
        for document in [statement, envelope.clone(), json!({"dsseEnvelope": envelope})] {
            let found = Statement::read(&document).unwrap();
            assert_eq!(found.title(), "Attestation, SLSA provenance");
            assert_eq!(found.text["_type"], "https://in-toto.io/Statement/v1");
            let facts = found.facts();
            assert!(facts.contains(&("Builder".into(), "https://ci.example".into())));
            assert!(facts.contains(&("About".into(), "app sha256:abc".into())));
        }
        assert!(Statement::read(&json!({"payload": "***"})).is_none());
    }
}
