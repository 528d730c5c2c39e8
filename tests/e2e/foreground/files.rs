//! `gaffer check` and `gaffer export`.

use gaffer_tests::Project;
use serde_json::{Value, json};

fn shop() -> Project {
    let project =
        Project::new("web: ./server --port $PORT --host $HOST_OF_WEB\nworker: A=1 nosuch | cat\nclock: true\n");
    project.script("server", "true");
    project.file(".env", "HOST_OF_WEB=here\nSECRET='a\tb'\n");
    project
}

#[test]
fn what_would_run_is_told() {
    let project = shop();
    let said = project.gaffer().run(&["check", "-c", "web=2,clock=0"]);
    assert_eq!(said.code, 0, "{said}");
    let expected = format!(
        "shop in {}\n\n\
         TYPE    NUMBER  PORTS      RUN BY  COMMAND\n\
         web          2  5000-5001  itself  ./server --port $PORT --host $HOST_OF_WEB\n\
         worker       1  5100       sh      A=1 nosuch | cat\n\
         clock        0  -          itself  true\n\n\
         VARIABLE     VALUE\n\
         HOST_OF_WEB  here\n\
         SECRET       a\\tb\n",
        project.path("").display().to_string().trim_end_matches('/')
    );
    assert_eq!(said.stdout, expected);
    assert_eq!(said.stderr, "Procfile:2: `worker`: there is no program nosuch on the PATH\n");
}

#[test]
fn doubts_are_told_but_are_no_mistakes() {
    let project = Project::new("web: ./server $UNSET ${OTHER:-x}\nweb: ./server $UNSET\n");
    project.file("server", "");
    let said = project.gaffer().run(&["check"]);
    assert_eq!(said.code, 0, "{said}");
    for text in
        ["Procfile:2: `web` stands in line 1 already", "nothing sets $UNSET", "./server is not marked executable"]
    {
        assert!(said.stderr.contains(text), "{text}: {said}");
    }
    assert!(!said.stderr.contains("OTHER"), "{said}");
}

#[test]
fn programs_are_told_in_json() {
    let printed = shop().gaffer().prints(&["--json", "check"]);
    let checked: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        checked["processes"][1],
        json!({
            "name": "worker", "number": 1, "ports": [5100], "shell": true, "command": "A=1 nosuch | cat"
        })
    );
    assert_eq!(checked["env"], json!({ "HOST_OF_WEB": "here", "SECRET": "a\tb" }));
    assert_eq!(checked["warnings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let project = Project::new("web\n1: x\n");
    project.file(".env", "=\n");
    let said = project.gaffer().run(&["check", "-e", "missing.env"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said}");
    let places: Vec<&str> =
        said.stderr.lines().filter_map(|line| line.split_once(": ").map(|(place, _)| place)).collect();
    assert_eq!(places, ["Procfile:1", "Procfile:2", ".env:1", "missing.env"], "{said}");
}

#[test]
fn an_export_is_printed_or_written() {
    let project = shop();
    let gaffer = project.gaffer().args(["export"]);
    let ini = gaffer.prints(&[]);
    assert!(ini.contains("[process:shop:web]"), "{ini}");
    let said = gaffer.run(&["--out", "shop.ini"]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", "gaffer: wrote shop.ini\n"));
    assert_eq!(std::fs::read_to_string(project.path("shop.ini")).unwrap(), ini);
    let job: Value = serde_json::from_str(&gaffer.prints(&["--format", "json", "web"])).unwrap();
    assert_eq!(job["args"], json!(["--port", "${PORT}", "--host", "${HOST_OF_WEB}"]));
}

#[test]
fn units_are_printed_one_after_the_other_or_written_into_a_folder() {
    let project = shop();
    let gaffer = project.gaffer().args(["export", "--format", "systemd", "--user", "nobody"]);
    let printed = gaffer.prints(&[]);
    let names: Vec<&str> =
        printed.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| !line.contains(' ')).collect();
    assert!(names.len() > 3 && names.contains(&"shop.target"), "{printed}");
    let said = gaffer.run(&["--out", "new/units"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said}");
    for name in names {
        assert!(said.stderr.contains(&format!("wrote new/units/{name}\n")), "{said}");
        assert!(printed.contains(&std::fs::read_to_string(project.path("new/units").join(name)).unwrap()), "{name}");
    }
}

#[test]
fn a_user_is_for_units_only() {
    let said = shop().gaffer().run(&["export", "--user", "nobody"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said}");
}
