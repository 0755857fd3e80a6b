use super::{Story, holds, rows, short, within};
use crate::support::{ADMIN, PASSWORD};

#[tokio::test]
async fn a_helm_chart_is_shown_and_pulled() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, host, .. } = &story;
    let Some(helm) = workspace.tool("helm") else { return };
    let chart = "apiVersion: v2\nname: ship\ndescription: All decks\ntype: application\n\
                 version: 0.0.0\nappVersion: \"7.1\"\n";
    workspace.write("ship/Chart.yaml", chart);
    workspace.write("ship/values.yaml", "decks: 4\n");
    workspace.write("ship/templates/config.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    helm.run(format!("registry login {host} --plain-http -u {ADMIN} -p {PASSWORD}")).await;
    // A plus sign, which a tag cannot hold.
    helm.run("package ship --version 1.4.0+build.5 --destination packed").await;
    let file = "ship-1.4.0+build.5.tgz";
    helm.run(format!("push packed/{file} oci://{host}/charts --plain-http")).await;

    let tag = "1.4.0_build.5";
    let digest = story.digest(&format!("charts/ship:{tag}")).await;
    let fetch = format!("manifest fetch --plain-http {host}/charts/ship:{tag}");
    let manifest = story.oras.run(fetch).await.json();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let seen = story
        .look(&[
            ("real-chart-repository", "/r/charts/ship".into()),
            ("real-chart", within("charts/ship", "manifests", tag)),
            ("real-chart-by-digest", within("charts/ship", "manifests", &digest)),
            ("real-chart-files", within("charts/ship", "layers", layer)),
        ])
        .await;
    let page = &seen["real-chart-repository"];
    assert_eq!(rows(page, 2), [[tag, "Helm chart"]]);
    holds(page, short(&digest));
    let page = &seen["real-chart"];
    assert_eq!(page["heading"], format!("{tag} Helm chart"));
    let kind = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    assert_eq!(rows(page, 3)[0][2], kind);
    for (key, value) in [("name", "ship"), ("version", "1.4.0+build.5"), ("appVersion", "7.1")] {
        assert_eq!(page["keys"][key], value);
    }
    assert_eq!(page["keys"]["org.opencontainers.image.description"], "All decks");
    let paths: Vec<_> = rows(&seen["real-chart-files"], 3).iter().map(|row| row[1]).collect();
    for path in ["ship/Chart.yaml", "ship/values.yaml", "ship/templates/config.yaml"] {
        assert!(paths.contains(&path), "{paths:?}");
    }

    let commands = &page["commands"];
    let pull = format!("helm pull oci://{host}/charts/ship --version 1.4.0+build.5 --plain-http");
    assert_eq!(commands["helm"], pull);
    story.run(&commands["helm"]).await;
    assert_eq!(workspace.read(file), workspace.read(&format!("packed/{file}")));
    story.run(&seen["real-chart-by-digest"]["commands"]["helm"]).await;
    // Helm names no file in it, so that oras can take it only as it is.
    story.run(&commands["oras"]).await;
    story.layout_names("ship", &digest);
}
