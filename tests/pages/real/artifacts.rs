//! Files of any kind, WebAssembly and models, as oras pushes them.

use serde_json::json;

use super::{Story, holds, rows, within};
use crate::support::digest_of;

#[tokio::test]
async fn an_artifact_of_own_types_is_shown_and_pulled() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, oras, host, .. } = &story;
    let notes = "the notes of the voyage\n";
    workspace.write("notes.txt", notes);
    workspace.write("README.md", "# Logbook\n\nof *all* decks\n");
    workspace.write("config.json", r#"{"ship": {"name": "Vasa", "decks": 5}}"#);
    let config = "--config config.json:application/vnd.example.config.v1+json";
    let files = "notes.txt:text/plain README.md:application/vnd.example.layer.v1+markdown";
    let kind = "--artifact-type application/vnd.example.logbook";
    oras.run(format!("push --plain-http {host}/team/log:1.0 {kind} {config} {files}")).await;

    let document = within("team/log", "documents", &digest_of(notes));
    let seen = story
        .look(&[
            ("real-artifact-repository", "/r/team/log".into()),
            ("real-artifact", within("team/log", "manifests", "1.0")),
            ("real-artifact-file", document.clone()),
        ])
        .await;
    assert_eq!(rows(&seen["real-artifact-repository"], 4), [["1.0", "Artifact", "", "88 B"]],);
    let page = &seen["real-artifact"];
    assert_eq!(page["heading"], "1.0 Artifact");
    let expected = [
        ["notes.txt", "24 B", "text/plain"],
        ["README.md", "26 B", "application/vnd.example.layer.v1+markdown"],
    ];
    assert_eq!(rows(page, 3), expected);
    assert_eq!(page["keys"]["ship.name"], "Vasa");
    assert_eq!(page["keys"]["ship.decks"], "5");
    holds(page, "README Logbook of all decks");
    holds(page, "artifact type application/vnd.example.logbook");
    let link = page["links"]["notes.txt"].as_str().unwrap();
    assert!(link.starts_with(&document), "{link}");
    holds(&seen["real-artifact-file"], notes.trim());

    let pull = format!("oras pull {host}/team/log:1.0 --plain-http");
    assert_eq!(page["commands"], json!({"oras": pull}));
    std::fs::remove_file(workspace.path("notes.txt")).unwrap();
    story.run(&page["commands"]["oras"]).await;
    assert_eq!(workspace.read("notes.txt"), notes.as_bytes());
}

#[tokio::test]
async fn a_webassembly_module_is_shown_and_pulled() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, oras, host, .. } = &story;
    let module = b"\0asm\x01\0\0\0";
    workspace.write("add.wasm", module);
    let config = json!({
        "architecture": "wasm", "os": "wasip1", "layerDigests": [digest_of(module)],
        "component": {"exports": ["wasi:cli/run@0.2.0"]},
    });
    workspace.write("wasm.json", config.to_string());
    let config = "--config wasm.json:application/vnd.wasm.config.v0+json";
    let file = "add.wasm:application/vnd.wasm.content.layer.v1+wasm";
    oras.run(format!("push --plain-http {host}/team/add:0.1 {config} {file}")).await;

    let seen = story
        .look(&[
            ("real-wasm-repository", "/r/team/add".into()),
            ("real-wasm", within("team/add", "manifests", "0.1")),
        ])
        .await;
    assert_eq!(rows(&seen["real-wasm-repository"], 3), [["0.1", "WebAssembly", ""]]);
    let page = &seen["real-wasm"];
    assert_eq!(page["heading"], "0.1 WebAssembly");
    let expected = [["add.wasm", "8 B", "application/vnd.wasm.content.layer.v1+wasm"]];
    assert_eq!(rows(page, 3), expected);
    // A module is no archive that could be listed.
    assert!(page["links"]["add.wasm"].is_null());
    assert_eq!(page["keys"]["architecture"], "wasm");
    assert_eq!(page["keys"]["os"], "wasip1");
    assert_eq!(page["keys"]["component.exports"], "wasi:cli/run@0.2.0");

    std::fs::remove_file(workspace.path("add.wasm")).unwrap();
    story.run(&page["commands"]["oras"]).await;
    assert_eq!(workspace.read("add.wasm"), module);
}

#[tokio::test]
async fn a_model_of_many_files_is_shown_and_pulled() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, oras, host, .. } = &story;
    let weights = |n: usize| vec![n as u8; 1024 * n];
    let name = |n: usize| format!("model/weights-{n:02}.safetensors");
    let mut files = String::new();
    for n in 1..=48 {
        workspace.write(&name(n), weights(n));
        files += &format!(" {}:application/vnd.cncf.model.weight.v1.raw", name(n));
    }
    workspace.write("model/README.md", "# Tiny\n\nA model for tests.\n");
    workspace.write("model/tokenizer.json", r#"{"vocabulary": 1}"#);
    files += " model/README.md:application/vnd.cncf.model.doc.v1.raw";
    files += " model/tokenizer.json:application/vnd.cncf.model.weight.config.v1.raw";
    let config = json!({
        "descriptor": {"name": "tiny", "family": "toys"},
        "config": {"architecture": "transformer", "format": "safetensors", "paramSize": "8b"},
        "modelfs": {"type": "layers", "diffIds": []},
    });
    workspace.write("model.json", config.to_string());
    let kind = "--artifact-type application/vnd.cncf.model.manifest.v1+json \
                --config model.json:application/vnd.cncf.model.config.v1+json";
    oras.run(format!("push --plain-http {host}/models/tiny:8b {kind}{files}")).await;

    let seen = story
        .look(&[
            ("real-model-repository", "/r/models/tiny".into()),
            ("real-model", within("models/tiny", "manifests", "8b")),
        ])
        .await;
    assert_eq!(rows(&seen["real-model-repository"], 4), [["8b", "Model", "", "1.1 MiB"]]);
    let page = &seen["real-model"];
    assert_eq!(page["heading"], "8b Model");
    let rows = rows(page, 3);
    assert_eq!(rows.len(), 50);
    let kind = "application/vnd.cncf.model.weight.v1.raw";
    assert_eq!(rows[0], ["model/weights-01.safetensors", "1.0 KiB", kind]);
    assert_eq!(rows[47], ["model/weights-48.safetensors", "48.0 KiB", kind]);
    assert_eq!(page["keys"]["descriptor.name"], "tiny");
    assert_eq!(page["keys"]["config.format"], "safetensors");
    holds(page, "README Tiny A model for tests.");

    std::fs::remove_dir_all(workspace.path("model")).unwrap();
    story.run(&page["commands"]["oras"]).await;
    for n in 1..=48 {
        assert_eq!(workspace.read(&name(n)), weights(n));
    }
}
