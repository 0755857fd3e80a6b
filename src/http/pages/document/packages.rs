//! The packages of an SBOM: SPDX 2 or 3, or CycloneDX, as JSON.

use serde_json::Value;

pub struct Packages {
    pub format: &'static str,
    pub facts: Vec<(String, String)>,
    pub packages: Vec<Package>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: String,
    /// Package URL, or nothing.
    pub purl: String,
}

impl Package {
    /// `wanted` is in small letters.
    pub fn matches(&self, wanted: &str) -> bool {
        [&self.name, &self.version, &self.licence, &self.purl]
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
    }
}

/// The packages of a document, in the order of their names, if it is an SBOM.
pub fn packages(document: &Value) -> Option<Packages> {
    let mut found = spdx(document).or_else(|| spdx3(document)).or_else(|| cyclonedx(document))?;
    found.packages.sort();
    found.packages.dedup();
    Some(found)
}

fn spdx(document: &Value) -> Option<Packages> {
    let version = document["spdxVersion"].as_str()?;
    let packages = document["packages"].as_array().into_iter().flatten();
    let packages = packages.map(|package| {
        let references = package["externalRefs"].as_array().into_iter().flatten();
        let purl = references
            .filter(|reference| reference["referenceType"] == "purl")
            .find_map(|reference| reference["referenceLocator"].as_str());
        let licence = [&package["licenseConcluded"], &package["licenseDeclared"]]
            .into_iter()
            .filter_map(Value::as_str)
            .find(|text| !matches!(*text, "NOASSERTION" | "NONE"));
        Package {
            name: text(&package["name"]),
            version: text(&package["versionInfo"]),
            licence: licence.unwrap_or_default().into(),
            purl: purl.unwrap_or_default().into(),
        }
    });
    Some(Packages {
        format: "SPDX",
        facts: facts(&[
            ("Version", &Value::from(version)),
            ("Name", &document["name"]),
            ("Created", &document["creationInfo"]["created"]),
            ("By", &document["creationInfo"]["creators"]),
        ]),
        packages: packages.collect(),
    })
}

fn spdx3(document: &Value) -> Option<Packages> {
    let graph = document["@graph"].as_array()?;
    document["@context"].as_str().filter(|context| context.contains("spdx.org"))?;
    let packages = graph.iter().filter(|element| element["type"] == "software_Package");
    let packages = packages.map(|package| Package {
        name: text(&package["name"]),
        version: text(&package["software_packageVersion"]),
        licence: String::new(),
        purl: text(&package["software_packageUrl"]),
    });
    Some(Packages { format: "SPDX 3", facts: Vec::new(), packages: packages.collect() })
}

fn cyclonedx(document: &Value) -> Option<Packages> {
    if document["bomFormat"] != "CycloneDX" {
        return None;
    }
    let components = document["components"].as_array().into_iter().flatten();
    let packages = components.map(|component| {
        let licences = component["licenses"].as_array().into_iter().flatten();
        let licences = licences.filter_map(|licence| {
            let named = &licence["license"];
            [&named["id"], &named["name"], &licence["expression"]]
                .into_iter()
                .find_map(Value::as_str)
        });
        let group = component["group"].as_str().filter(|group| !group.is_empty());
        let name = text(&component["name"]);
        Package {
            name: group.map_or_else(|| name.clone(), |group| format!("{group}/{name}")),
            version: text(&component["version"]),
            licence: licences.collect::<Vec<_>>().join(", "),
            purl: text(&component["purl"]),
        }
    });
    Some(Packages {
        format: "CycloneDX",
        facts: facts(&[
            ("Version", &document["specVersion"]),
            ("Of", &document["metadata"]["component"]["name"]),
            ("Created", &document["metadata"]["timestamp"]),
        ]),
        packages: packages.collect(),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Those that say something.
pub fn facts(given: &[(&str, &Value)]) -> Vec<(String, String)> {
    let words = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            Some(items.join(", "))
        }
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let facts = given.iter().filter_map(|(name, value)| Some(((*name).into(), words(value)?)));
    facts.filter(|(_, text): &(String, String)| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, version: &str, licence: &str, purl: &str) -> Package {
        let [name, version, licence, purl] = [name, version, licence, purl].map(Into::into);
        Package { name, version, licence, purl }
    }

    #[test]
    fn spdx_and_cyclonedx_say_the_same_thing() {
        let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": [
            {"name": "zlib", "versionInfo": "1.3", "licenseConcluded": "NOASSERTION",
             "licenseDeclared": "Zlib",
             "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/zlib@1.3"}]},
            {"name": "apk"},
        ]});
        let cyclonedx = json!({"bomFormat": "CycloneDX", "components": [
            {"name": "zlib", "version": "1.3", "licenses": [{"license": {"id": "Zlib"}}],
             "purl": "pkg:deb/zlib@1.3"},
            {"name": "apk"},
        ]});
        let expected =
            [package("apk", "", "", ""), package("zlib", "1.3", "Zlib", "pkg:deb/zlib@1.3")];
        for document in [spdx, cyclonedx] {
            assert_eq!(packages(&document).unwrap().packages, expected);
        }
        assert!(packages(&json!({"packages": []})).is_none());
    }
}
