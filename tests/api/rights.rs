use orlop::auth::Role;
use orlop::http::content::NEEDS;
use orlop::http::need::Need;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::http::{expect, send};
use super::support::{Http, Options, Orlop};

const PASSWORD: &str = "correct horse battery";

async fn user(orlop: &Orlop, role: Role) -> Http {
    let http = orlop.http();
    let name = format!("{}-user", role.as_str().to_lowercase());
    let create = http.request(Method::POST, "/api/v1/users");
    let body = json!({"name": name, "password": PASSWORD});
    expect(send(create.json(&body)).await, StatusCode::CREATED).await;
    let assign = http.request(Method::POST, "/api/v1/assignments");
    let body = json!({"identity": name, "role": role.as_str(), "repositories": "own/*"});
    expect(send(assign.json(&body)).await, StatusCode::CREATED).await;
    orlop.anonymous().signed_in_as(&name, PASSWORD)
}

/// Every route × every role × own and foreign repositories.
#[tokio::test]
async fn each_route_serves_only_whom_its_table_says() {
    let orlop = Orlop::start(Options::default()).await;
    for (method, route, _) in NEEDS {
        for repository in ["own%2Fapp", "foreign%2Fapp"] {
            let path = route.replace("{repository}", repository).replace("{tag}", "1.0");
            let path = path.replace("{reference}", "1.0");
            let request = orlop.anonymous().request(method.clone(), &path).json(&json!({}));
            expect(send(request).await, StatusCode::UNAUTHORIZED).await;
        }
    }
    for role in Role::ALL {
        let client = user(&orlop, role).await;
        for (method, route, need) in NEEDS {
            for (repository, is_own) in [("own%2Fapp", true), ("foreign%2Fapp", false)] {
                let path = route.replace("{repository}", repository).replace("{tag}", "1.0");
                let path = path.replace("{reference}", "1.0");
                let request = client.request(method.clone(), &path).json(&json!({}));
                let status = send(request).await.status();
                let has = |action| is_own && role.actions().contains(action);
                let may = match *need {
                    Need::SignedIn => true,
                    Need::InRepository(action) => has(action),
                    Need::EitherInRepository(one, other) => has(one) || has(other),
                    Need::UserOrAdmin => false,
                    Need::InRegistry(_) => {
                        role.actions().contains(orlop::auth::Action::MetadataRead)
                    }
                };
                let is_refused = status == StatusCode::FORBIDDEN;
                assert_eq!(is_refused, !may, "{method} {path} as {}: {status}", role.as_str());
            }
        }
    }
}
