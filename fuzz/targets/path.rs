//! Any path is a route or refused as the client's fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::http::route::Route;

fuzz_target!(|path: &str| match Route::parse(path) {
    Ok(route) => {
        if let Some(repository) = route.repository() {
            assert!(path.contains(repository.as_str()));
        }
    }
    Err(error) => assert!(error.status().is_client_error()),
});
