//! ini and JSON.

use proptest::prelude::*;

use super::{Shop, arguments, borrowed, concurrency, root, shop, variables};
use crate::{
    config::{JobConfig, JobSpec},
    ini::NodeConfig,
    procfile::{Concurrency, export},
    test_scale::cases,
};

/// A job with its command line as it is run, however it is written.
fn meaning(job: &JobConfig) -> (JobSpec, String) {
    let spec = JobSpec { cmd: None, args: None, ..job.spec().clone() };
    (spec, format!("{:?}", job.command()))
}

fn from_json(text: &str) -> Vec<JobConfig> {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    let jobs = value.get("jobs").map_or_else(|| vec![value.clone()], |jobs| jobs.as_array().unwrap().clone());
    let read = jobs.iter().map(|job| JobConfig::from_json(job.as_object().unwrap(), None, None).unwrap());
    read.inspect(|read| assert_eq!(read.ignored, Vec::<String>::new())).map(|read| read.config).collect()
}

#[test]
fn ini_of_all_types() {
    let shop = shop();
    let text = export::ini(&shop.application, &concurrency(), None).unwrap();
    insta::assert_snapshot!(shop.plain(&text));
}

#[test]
fn ini_of_one_type() {
    let shop = shop();
    let text = export::ini(&shop.application, &concurrency(), Some("a-clock")).unwrap();
    insta::assert_snapshot!(shop.plain(&text));
}

#[test]
fn json_of_all_types() {
    let shop = shop();
    let text = export::json(&shop.application, &concurrency(), None).unwrap();
    insta::assert_snapshot!(shop.plain(&text));
}

#[test]
fn json_of_one_type() {
    let shop = shop();
    let text = export::json(&shop.application, &concurrency(), Some("worker")).unwrap();
    insta::assert_snapshot!(shop.plain(&text));
}

#[test]
fn a_type_that_there_is_not_is_told() {
    let shop = shop();
    let application = &shop.application;
    let told = |result: Result<(), crate::procfile::Mistakes>| {
        let told = result.unwrap_err().to_string();
        assert!(told.ends_with("`wep` is no process type of the Procfile; did you mean `web`?"), "{told}");
    };
    told(export::ini(application, &concurrency(), Some("wep")).map(drop));
    told(export::json(application, &concurrency(), Some("wep")).map(drop));
    told(export::systemd(application, &concurrency(), Some("wep"), None).map(drop));
}

#[test]
fn what_an_ini_file_cannot_hold_is_told_and_not_changed() {
    let lost = "an ini file cannot hold its value: it loses blanks around a line, lines that begin with `#`, `;` or a section's header, \
                blank lines at the ends, and carriage returns; export JSON instead";
    let upper = "an ini file makes the names of variables upper case; rename it, or export JSON";
    for (key, value, told) in [
        ("http_proxy", "x", upper),
        ("A", " x", lost),
        ("A", "x\t", lost),
        ("A", "x\n", lost),
        ("A", "\nx", lost),
        ("A", "x\n y", lost),
        ("A", "x\n# y", lost),
        ("A", "x\n;y", lost),
        ("A", "x\n[gaffer]", lost),
        ("A", "x\ry", lost),
        ("A", "x\r\ny", lost),
    ] {
        let shop = Shop::new("shop", "web: ./web\nworker: ./work", &[(key, value)]).unwrap();
        let error = export::ini(&shop.application, &Concurrency::default(), None).unwrap_err();
        assert_eq!(error.to_string(), format!("`{key}`: {told}"), "{value:?}");
    }
    for value in ["", "# x", "[gaffer]", "x ; y", "a = b: c", "x\ny", "x\n\n\ny", "x\n[y]", "%(x)s $y", "'x' \"y\" \\"]
    {
        let shop = Shop::new("shop", "web: ./web", &[("A", value)]).unwrap();
        let text = export::ini(&shop.application, &Concurrency::default(), None).unwrap();
        assert_eq!(NodeConfig::parse("x", &text).unwrap().jobs[0].env()["A"], value);
    }
    let shop = Shop::new("shop ", "web: ./web", &[]).unwrap();
    let told = export::ini(&shop.application, &Concurrency::default(), None).unwrap_err();
    assert_eq!(shop.plain(&told.to_string()), "the folder `/shop `: an ini file cannot hold its name; rename it");
}

#[test]
fn a_mistake_in_a_variable_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Procfile"), "web: ./web").unwrap();
    std::fs::write(folder.path().join(".env"), "A=b\nhttp_proxy=x\nNAME.X=\"\u{1}\"\n").unwrap();
    let source = crate::procfile::Source {
        directory: Some(folder.path().to_owned()),
        name: Some("shop".to_owned()),
        ..crate::procfile::Source::default()
    };
    let application = crate::procfile::Application::read(&source, &std::collections::BTreeMap::new()).unwrap();
    let told = export::ini(&application, &Concurrency::default(), None).unwrap_err().to_string();
    assert!(told.contains("/.env:2: `http_proxy`: "), "{told}");
    let told = export::systemd(&application, &Concurrency::default(), None, None).unwrap_err().to_string();
    assert!(told.contains("/.env:3: `NAME.X`: systemd knows no variables with `.` or `-` in their names"), "{told}");
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn jobs_read_back(root in root(), lines in proptest::collection::vec(arguments(), 1..4), variables in variables()) {
        let procfile: String = lines.iter().enumerate().map(|(n, line)| format!("t{n}: ./x {line}\n")).collect();
        let Ok(shop) = Shop::new(&root, &procfile, &borrowed(&variables)) else {
            return Ok(()); // A line that breaks off.
        };
        let concurrency: Concurrency = "t0=2".parse().unwrap();
        let jobs = shop.application.jobs(&concurrency).unwrap();
        prop_assert_eq!(&from_json(&export::json(&shop.application, &concurrency, None).unwrap()), &jobs);
        let meant: Vec<_> = jobs.iter().map(meaning).collect();
        match export::ini(&shop.application, &concurrency, None) {
            Ok(text) => {
                let read = NodeConfig::parse("export", &text).unwrap();
                prop_assert_eq!(read.jobs.iter().map(meaning).collect::<Vec<_>>(), meant);
            }
            Err(told) => {
                // Nothing is refused that is plain.
                let is_plain = |text: &str| text.trim() == text && !text.contains(['\n', '\r']);
                let plain = is_plain(&root) && variables.values().all(|value| is_plain(value));
                prop_assert!(!plain, "{told}");
                prop_assert!(told.0.iter().all(|mistake| !mistake.problem.contains("cannot hold this")), "{told}");
            }
        }
    }
}
