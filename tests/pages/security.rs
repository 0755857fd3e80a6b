use reqwest::StatusCode;
use reqwest::header::SET_COOKIE;
use serde_json::json;

use crate::samples::{artifact, image};
use crate::site::Site;
use crate::support::http::expect;
use crate::support::{ADMIN, Options, Orlop, PASSWORD};

fn with_public() -> Options {
    let config = "[auth]\nanonymous_pull = [\"public/*\"]\n";
    Options { config: Some(config.into()), ..Options::default() }
}

#[tokio::test]
async fn a_session_is_guarded_and_ends_with_sign_out() {
    let server = Orlop::start(Options { tls: true, ..Options::default() }).await;
    let mut site = Site::anonymous(&server);
    let page = site.sign_in(ADMIN, PASSWORD).await;
    assert_eq!((page.status, &*page.location), (StatusCode::SEE_OTHER, "/"));
    let cookie = page.headers[SET_COOKIE].to_str().unwrap();
    for part in ["__Host-orlop_session=", "; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    site.shown("/users").await.holds(ADMIN);
    let gone = site.post("/sign-out", &[]).await;
    assert_eq!((gone.status, &*gone.location), (StatusCode::SEE_OTHER, "/sign-in"));
    // Not the cookie alone: the session itself is over.
    let after = site.get("/users").await;
    assert_eq!(
        (after.status, &*after.location),
        (StatusCode::SEE_OTHER, "/sign-in?return_to=%2Fusers")
    );
}

#[tokio::test]
async fn only_the_password_of_a_person_signs_a_browser_in() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let token = http.request(reqwest::Method::POST, "/api/v1/users/admin/tokens");
    let token =
        expect(token.json(&json!({"label": "x"})).send().await.unwrap(), StatusCode::CREATED);
    let token: serde_json::Value = token.await.json().await.unwrap();
    let mut site = Site::anonymous(&server);
    for password in ["wrong", token["secret"].as_str().unwrap(), ""] {
        let page = site.sign_in(ADMIN, password).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{password}");
        assert!(!page.headers.contains_key(SET_COOKIE));
        page.holds("the password is wrong").lacks("value=\"wrong\"");
    }
    // As browsers take Basic credentials and keep them, a page never asks for them.
    let page = site.sign_in(ADMIN, "wrong").await;
    assert!(!page.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn sign_in_leads_back_to_this_registry_only() {
    let server = Orlop::start(Options::default()).await;
    let site = Site::anonymous(&server);
    for (return_to, location) in [
        ("/users?last=a", "/users?last=a"),
        ("//evil.test/", "/"),
        ("https://evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
    ] {
        let form = [("name", ADMIN), ("password", PASSWORD), ("return_to", return_to)];
        let page = site.post("/sign-in", &form).await;
        assert_eq!(page.location, location, "{return_to:?}");
    }
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let server = Orlop::start(Options::default()).await;
    image(&server.http(), "team/app", Some("1.0"), "one").await;
    let site = Site::admin(&server).await;
    let forms: [(&str, &[(&str, &str)]); 4] = [
        ("/r/team/app/-/tags/1.0/untag", &[]),
        ("/r/team/app/-/delete", &[]),
        ("/users", &[("name", "mallory"), ("password", "long enough")]),
        ("/sign-out", &[]),
    ];
    for origin in [None, Some("https://evil.test"), Some("null"), Some("http://127.0.0.1:1")] {
        for (path, form) in forms {
            let page = site.post_from(origin, path, form).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} from {origin:?}");
        }
        // Nor can another site sign the browser in as somebody of its choice.
        let form = [("name", ADMIN), ("password", PASSWORD)];
        let page = site.post_from(origin, "/sign-in", &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(!page.headers.contains_key(SET_COOKIE));
    }
    site.shown("/r/team/app").await.holds("1.0");
    site.shown("/users").await.lacks("mallory");
}

#[tokio::test]
async fn pages_carry_no_script_and_load_nothing_of_others() {
    let server = Orlop::start(Options::default()).await;
    image(&server.http(), "team/app", Some("1.0"), "one").await;
    let site = Site::admin(&server).await;
    let pages = [
        "/",
        "/sign-in",
        "/welcome",
        "/promote",
        "/r/team/app",
        "/r/team/app/-/tags/1.0",
        "/r/team/app/-/manifests/1.0",
        "/r/team/app/-/compare",
        "/r/team/app/-/deleted",
        "/r/team/app/-/delete",
        "/users",
        "/users/admin",
        "/principals",
        "/roles",
        "/scope-maps",
        "/audit",
        "/storage",
        "/r/no/such",
        "/r/team/app/-/nonsense",
    ];
    for path in pages {
        let page = site.get(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(page.headers["referrer-policy"], "same-origin", "{path}");
        for inline in
            ["<script>", " style=\"", " onclick=", " onload=", "javascript:", "http-equiv"]
        {
            page.lacks(&inline.replace("javascript:", "href=\"javascript:"));
        }
        assert!(page.text.len() < 150 * 1024, "{path} has {} bytes", page.text.len());
    }
    let raw = site.shown("/r/team/app/-/manifests/1.0/raw").await;
    assert_eq!(raw.headers["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn what_strangers_write_is_shown_as_text() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    image(&http, "team/app", Some("1.0"), "<b>one</b>").await;
    let readme =
        "# Title\n<script>alert(1)</script>\n[x](javascript:alert(1)) ![y](https://evil.test/i)";
    let more = json!({"annotations": {
        "org.example.readme": readme, "<i>key</i>": "v", "title": "<svg onload=alert(1)>",
    }});
    artifact(&http, "team/notes", Some("1"), "text/<b>", ("text/plain", b"hi"), more).await;
    let site = Site::admin(&server).await;
    let page = site.shown("/r/team/app/-/manifests/1.0").await;
    page.holds("VERSION")
        .holds("&#60;b&#62;one&#60;/b&#62;")
        .lacks("<b>one")
        .lacks("<script>alert");
    page.holds("href=\"https://example.com/app\" rel=\"nofollow noopener noreferrer\"");
    page.holds("javascript:alert(1)").lacks("href=\"javascript").lacks("<img src=x");
    let page = site.shown("/r/team/notes/-/manifests/1").await;
    page.holds("<h1>Title</h1>")
        .lacks("<script>alert")
        .lacks("href=\"javascript")
        .lacks("evil.test/i\"");
    page.lacks("<i>key").lacks("<svg onload");
    let page = site.shown("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
    page.lacks("<script>alert").holds("&#62;&#60;script");
}

#[tokio::test]
async fn without_sign_in_only_what_is_public_shows() {
    let server = Orlop::start(with_public()).await;
    let http = server.http();
    image(&http, "public/app", Some("1.0"), "one").await;
    image(&http, "secret/app", Some("1.0"), "two").await;
    let site = Site::anonymous(&server);
    site.shown("/").await.holds("public/app").lacks("secret").holds("Sign in");
    site.shown("/r/public/app/-/manifests/1.0").await.holds("docker pull").lacks("Delete");
    site.shown("/?q=secret").await.lacks("secret/app");
    site.shown("/?in=secret").await.lacks("secret/app");
    let there = site.get("/r/secret/app/-/manifests/1.0").await;
    let not_there = site.get("/r/secret/none/-/manifests/1.0").await;
    assert_eq!(there.status, StatusCode::SEE_OTHER);
    assert_eq!(there.status, not_there.status);
    assert_eq!(there.location.replace("app", "none"), not_there.location);
    // What one of them says of the other's layers must not show either.
    site.shown("/r/public/app/-/manifests/1.0").await.lacks("secret");
}

#[tokio::test]
async fn a_registry_without_public_content_asks_to_sign_in() {
    let server = Orlop::start(Options::default()).await;
    let site = Site::anonymous(&server);
    for path in ["/", "/r/a", "/storage", "/promote", "/events"] {
        let page = site.get(path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.location.starts_with("/sign-in"), "{path}");
    }
    site.shown("/sign-in").await.holds("Password");
}
