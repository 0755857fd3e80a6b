//! The conformance suite of the distribution specification.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
mod support;

use support::{ADMIN, Options, Orlop, PASSWORD, Workspace, results};

/// The suite counts an image without all its layers to the "sparse" content that clients may push.
/// By default only indexes may lack their children.
const SPARSE_IMAGES: &str = "[registry]\nsparse_images = true\n";

/// What one run of the suite has found.
struct Run {
    verdicts: Verdicts,
    /// The names of the tests that did not pass, behind their verdict.
    not_passed: Vec<String>,
    succeeded: bool,
    /// The suite's own summary, and `not_passed`.
    summary: String,
}

/// As the suite counts them at the end of its output.
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
    let options = Options { config: Some(SPARSE_IMAGES.into()), ..Options::default() };
    let Some(run) = run_suite(options, "conformance").await else { return };
    let all_passed = Verdicts {
        passed: run.verdicts.total,
        failed: 0,
        errors: 0,
        skipped: 0,
        disabled: 0,
        total: run.verdicts.total,
    };
    assert_eq!(run.verdicts, all_passed, "{}", run.summary);
    assert!(run.succeeded, "the suite exits with an error:\n{}", run.summary);
}

#[tokio::test]
async fn the_default_settings_refuse_sparse_images_and_nothing_else() {
    let Some(run) = run_suite(Options::default(), "conformance-default").await else { return };
    let others: Vec<_> = run.not_passed.iter().filter(|name| !name.contains("/sparse/")).collect();
    assert!(others.is_empty(), "{}", run.summary);
    assert!(!run.not_passed.is_empty(), "sparse images were taken:\n{}", run.summary);
    assert_eq!(run.verdicts.skipped + run.verdicts.disabled, 0, "{}", run.summary);
}

/// Runs the suite against a new server. The readable summary is kept as `NAME.txt` among the results,
/// the suite's reports, with every request and answer, in the folder `NAME`.
async fn run_suite(options: Options, name: &str) -> Option<Run> {
    let workspace = Workspace::new();
    let suite = workspace.tool("conformance")?;
    let server = Orlop::start(options).await;
    let folder = results().join(name);
    // Nothing of an earlier run may be read as this one's.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("cannot create the folder of the reports");

    let output = suite
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

    let Some((_, verdict)) = output.stdout.split_once("OCI Conformance Result:") else {
        panic!("the suite gave no result:\n{}\n{}", output.stdout, output.stderr);
    };
    let report = std::fs::read_to_string(folder.join("junit.xml")).expect("the suite reports");
    let not_passed = not_passed(&report);
    let summary = format!(
        "OCI Conformance Result:{verdict}\nNot passed: {}\n{}\n",
        not_passed.len(),
        not_passed.join("\n")
    );
    std::fs::write(results().join(format!("{name}.txt")), &summary).expect("cannot write");
    let verdicts = Verdicts::of(verdict);
    assert!(verdicts.total > 0, "the suite ran no test:\n{summary}");
    Some(Run { verdicts, not_passed, succeeded: output.succeeded, summary })
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

/// Reads the verdicts of single tests from the JUnit report.
fn not_passed(report: &str) -> Vec<String> {
    let cases = report.split("<testcase ").skip(1).filter_map(|case| {
        let (_, rest) = case.split_once("name=\"")?;
        let (name, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once("status=\"")?;
        let (status, _) = rest.split_once('"')?;
        (status != "passed").then(|| format!("{status}: {name}"))
    });
    cases.collect()
}
