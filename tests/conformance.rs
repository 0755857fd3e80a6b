//! The conformance suite of the distribution specification: every test passes, none is skipped.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
mod support;

use support::{ADMIN, Options, Orlop, PASSWORD, Workspace, results};

/// Counted by the suite at the end of its output.
#[derive(Debug, PartialEq)]
struct Verdicts {
    passed: u32,
    failed: u32,
    errors: u32,
    skipped: u32,
    disabled: u32,
    total: u32,
}

#[tokio::test]
async fn every_conformance_test_passes() {
    let workspace = Workspace::new();
    let Some(suite) = workspace.tool("conformance") else { return };
    let server = Orlop::start(Options::default()).await;
    let folder = results().join("conformance");
    std::fs::create_dir_all(&folder).expect("cannot create the folder of the reports");

    let run = suite
        .env("OCI_REGISTRY", server.host())
        .env("OCI_TLS", "disabled")
        .env("OCI_USERNAME", ADMIN)
        .env("OCI_PASSWORD", PASSWORD)
        .env("OCI_VERSION", "dev")
        .env("OCI_DATA_SPARSE", "true")
        .env("OCI_REPO1", "conformance/one")
        .env("OCI_REPO2", "conformance/two")
        .env("OCI_RESULTS_DIR", folder.to_str().expect("the path is text"))
        .attempt("", b"")
        .await;

    let (_, verdict) = run.stdout.split_once("OCI Conformance Result:").unwrap_or_else(|| {
        panic!("the suite gave no result:\n{}\n{}", run.stdout, run.stderr);
    });
    let report = std::fs::read_to_string(folder.join("junit.xml")).expect("the suite reports");
    let not_passed = not_passed(&report).join("\n");
    let summary = format!("OCI Conformance Result:{verdict}\nNot passed:\n{not_passed}\n");
    let file = results().join("conformance.txt");
    std::fs::write(&file, &summary).expect("cannot write the summary");

    let verdicts = Verdicts::of(verdict);
    assert!(verdicts.total > 0, "the suite ran no test:\n{summary}");
    let all_passed = Verdicts {
        passed: verdicts.total,
        failed: 0,
        errors: 0,
        skipped: 0,
        disabled: 0,
        total: verdicts.total,
    };
    assert_eq!(verdicts, all_passed, "{summary}\nRequests and answers: {}", folder.display());
    assert!(run.succeeded, "the suite exits with an error:\n{}", run.stderr);
}

impl Verdicts {
    /// Reads lines such as `  Pass..........................:        805`.
    fn of(verdict: &str) -> Self {
        let count = |name: &str| {
            let mut counts = verdict.lines().filter_map(|line| line.trim().split_once(':'));
            let (_, count) = counts
                .find(|(label, _)| label.trim_end_matches('.') == name)
                .unwrap_or_else(|| panic!("the suite counts no '{name}':\n{verdict}"));
            count.trim().parse().expect("a count is a number")
        };
        Self {
            passed: count("Pass"),
            failed: count("FAIL"),
            errors: count("Error"),
            skipped: count("Skip"),
            disabled: count("Disabled"),
            total: count("Total"),
        }
    }
}

/// The names of the tests that did not pass, from the JUnit report.
fn not_passed(report: &str) -> Vec<String> {
    let cases = report.split("<testcase ").skip(1).filter_map(|case| {
        let (_, rest) = case.split_once("name=\"")?;
        let (name, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once("status=\"")?;
        let (status, _) = rest.split_once('"')?;
        (status != "passed").then(|| format!("  {status}: {name}"))
    });
    cases.collect()
}
