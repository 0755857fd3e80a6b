use serde_json::json;

use crate::support::http::json_of;
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Workspace};

#[tokio::test]
async fn helm_pushes_charts_and_resolves_versions() {
    let workspace = Workspace::new();
    let Some(helm) = workspace.tool("helm") else { return };
    let server = Orlop::start(Options::default()).await;
    let host = server.host();
    let chart =
        "apiVersion: v2\nname: ship\ndescription: A chart\ntype: application\nversion: 0.0.0\n";
    workspace.write("ship/Chart.yaml", chart);
    workspace.write("ship/values.yaml", "decks: 4\n");
    workspace.write("ship/templates/config.yaml", "apiVersion: v1\nkind: ConfigMap\n");

    let login = format!("registry login {host} --plain-http --username {ADMIN}");
    helm.refused(format!("{login} --password wrong")).await;
    helm.run(format!("{login} --password {PASSWORD}")).await;
    for version in ["1.0.0", "1.3.0", "1.4.0+build.5", "2.0.0"] {
        helm.run(format!("package ship --version {version} --destination packed")).await;
        helm.run(format!("push packed/ship-{version}.tgz oci://{host}/charts --plain-http")).await;
    }
    // A tag cannot hold a plus sign.
    let tags = json_of(server.http().get("/v2/charts/ship/tags/list").await).await;
    assert_eq!(tags["tags"], json!(["1.0.0", "1.3.0", "1.4.0_build.5", "2.0.0"]));

    let pull = format!("pull oci://{host}/charts/ship --plain-http");
    for (range, version) in [("^1.0", "1.4.0+build.5"), ("~1.3", "1.3.0"), (">=1", "2.0.0")] {
        helm.run(format!("{pull} --version {range}")).await;
        let file = format!("ship-{version}.tgz");
        assert_eq!(workspace.read(&file), workspace.read(&format!("packed/{file}")));
    }
    helm.refused(format!("{pull} --version 3.0.0")).await;
    let shown = helm.run(format!("show values oci://{host}/charts/ship --plain-http")).await;
    assert_eq!(shown.text(), "decks: 4");
}
