//! A browser without a screen: it follows no redirect, so that a test sees each answer, and keeps
//! the session's cookie.

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode};

use crate::support::{ADMIN, Orlop, PASSWORD};

pub struct Site {
    client: reqwest::Client,
    url: String,
    cookie: Option<String>,
}

pub struct Page {
    pub status: StatusCode,
    pub text: String,
    pub location: String,
    pub headers: reqwest::header::HeaderMap,
}

impl Page {
    async fn of(answer: Response) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let location = headers.get(LOCATION).map_or("", |value| value.to_str().unwrap());
        let location = location.to_owned();
        Self { status, location, headers, text: answer.text().await.unwrap() }
    }

    #[track_caller]
    pub fn holds(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{} has no {text:?}:\n{}", self.status, self.text);
        self
    }

    #[track_caller]
    pub fn lacks(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "there is a {text:?}:\n{}", self.text);
        self
    }

    /// The address of the link whose text ends in `text`.
    #[track_caller]
    pub fn link(&self, text: &str) -> String {
        let end = self.text.find(&format!("{text}</a>"));
        let end = end.unwrap_or_else(|| panic!("no link {text:?}:\n{}", self.text));
        let start = self.text[..end].rfind("href=\"").expect("a link has an address") + 6;
        let length = self.text[start..].find('"').expect("it ends");
        self.text[start..start + length].replace("&#38;", "&").replace("&amp;", "&")
    }
}

impl Site {
    pub fn anonymous(server: &Orlop) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        let client = match server.url().starts_with("https") {
            false => client,
            true => {
                let pem = std::fs::read(server.certificate()).unwrap();
                client.tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
            }
        };
        Self { client: client.build().unwrap(), url: server.url(), cookie: None }
    }

    pub async fn admin(server: &Orlop) -> Self {
        Self::signed_in(server, ADMIN, PASSWORD).await
    }

    pub async fn signed_in(server: &Orlop, name: &str, password: &str) -> Self {
        let mut site = Self::anonymous(server);
        let page = site.sign_in(name, password).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        site
    }

    pub async fn sign_in(&mut self, name: &str, password: &str) -> Page {
        let page = self.post("/sign-in", &[("name", name), ("password", password)]).await;
        if let Some(cookie) = page.headers.get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(cookie.to_owned());
        }
        page
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Page {
        Page::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// As [`Site::get`], which must succeed.
    pub async fn shown(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {} {}", page.location, page.text);
        page
    }

    pub async fn stream(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_from(Some(&self.url), path, form).await
    }

    /// As a page of `origin` makes a browser send it.
    pub async fn post_from(&self, origin: Option<&str>, path: &str, form: &[(&str, &str)]) -> Page {
        let mut request = self.request(Method::POST, path).form(form);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        Page::of(request.send().await.unwrap()).await
    }
}
