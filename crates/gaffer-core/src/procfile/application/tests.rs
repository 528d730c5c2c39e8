use std::fs;

use super::*;
use crate::config::CommandLine;

/// A folder with a Procfile and a `.env`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(procfile: &str, env: Option<&str>) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("shop")).unwrap();
        folder.write("shop/Procfile", procfile);
        if let Some(env) = env {
            folder.write("shop/.env", env);
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn source(&self) -> Source {
        Source { directory: Some(self.path("shop")), ..Source::default() }
    }

    fn application(&self) -> Application {
        Application::read(&self.source(), &environment(&[])).unwrap()
    }

    fn mistakes(&self, source: &Source) -> String {
        let mistakes = Application::read(source, &environment(&[])).unwrap_err();
        mistakes.to_string().replace(&self.path("").display().to_string(), "")
    }
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
    pairs.iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn concurrency(text: &str) -> Concurrency {
    text.parse().unwrap()
}

#[test]
fn a_job_for_each_type() {
    let procfile = "web: ./web -p $PORT --name 'a b'\nworker: cd lib && ./work\nclock: 'my clock'";
    let application = Folder::new(procfile, Some("A=b\nPORT=6000\nPS=x\nGAFFER_REDIRECT_INPUT=worker\n")).application();
    assert_eq!(application.name().as_str(), "shop");
    assert!(application.root().is_absolute() && application.root().ends_with("shop"));
    assert_eq!(application.env().keys().collect::<Vec<_>>(), ["A", "GAFFER_REDIRECT_INPUT"]);
    let jobs = application.jobs(&concurrency("web=3,clock=0")).unwrap();
    let seen: Vec<_> = jobs.iter().map(|job| (job.name().to_string(), job.numprocesses(), job.priority())).collect();
    assert_eq!(
        seen,
        [("shop.web".to_owned(), 3, 0), ("shop.worker".to_owned(), 1, 1), ("shop.clock".to_owned(), 0, 2)]
    );
    let ports: Vec<_> = jobs.iter().map(|job| job.env()["PORT"].as_str()).collect();
    assert_eq!(ports, ["6000", "6100", "6200"]);
    let web = &jobs[0];
    assert_eq!(web.env().keys().collect::<Vec<_>>(), ["A", "GAFFER_REDIRECT_INPUT", "PORT"]);
    assert_eq!(web.spec().cmd.as_deref(), Some("./web"));
    assert_eq!(web.spec().args, Some(Args::List(["-p", "${PORT}", "--name", "a b"].map(String::from).into())));
    assert_eq!(web.cwd().map(PathBuf::as_path), Some(application.root()));
    assert_eq!(web.redirect_output().iter().map(StreamLabel::as_str).collect::<Vec<_>>(), ["out", "err"]);
    assert!(!web.spec().shell && web.spec().os_env && web.spec().start && !web.redirect_input());
    let worker = &jobs[1];
    assert_eq!(worker.command(), &CommandLine::Shell("cd lib && ./work".to_owned()));
    assert!(worker.spec().shell && worker.redirect_input());
    assert_eq!(jobs[2].command(), &CommandLine::Words(vec!["my clock".to_owned()]));
}

#[test]
fn an_instance_for_each_process() {
    let application = Folder::new("web: ./web $PORT $PS\nworker: ./work\nclock: ./clock", None).application();
    let instances = application.instances(&concurrency("web=2,clock=0"), &[]).unwrap();
    let seen: Vec<_> = instances
        .iter()
        .map(|instance| {
            assert_eq!(instance.config.numprocesses(), 1);
            assert_eq!(instance.config.env()["PORT"], instance.port.to_string());
            let Instance { process_type, number, config, .. } = instance;
            (process_type.as_str(), *number, config.name().to_string(), instance.label(), config.env()["PS"].clone())
        })
        .collect();
    let expected = |process_type, number, name: &str, label: &str, ps: &str| {
        (process_type, number, name.to_owned(), label.to_owned(), ps.to_owned())
    };
    assert_eq!(
        seen,
        [
            expected("web", 1, "shop.web@1", "web.1", "web.1"),
            expected("web", 2, "shop.web@2", "web.2", "web.2"),
            expected("worker", 1, "shop.worker", "worker", "worker.1"),
        ]
    );
    assert_eq!(instances.iter().map(|instance| instance.port).collect::<Vec<_>>(), [5000, 5001, 5100]);
    assert_eq!(instances.iter().map(|instance| instance.config.priority()).collect::<Vec<_>>(), [0, 0, 1]);
    let clock = application.instances(&Concurrency::default(), &["clock".to_owned()]).unwrap();
    assert_eq!(clock.iter().map(|instance| instance.port).collect::<Vec<_>>(), [5200]);
    assert_eq!(
        ["web", "worker", "clock", "none"].map(|name| application.port(name)),
        [Some(5000), Some(5100), Some(5200), None]
    );
}

#[test]
fn words_are_run_as_they_are() {
    let application = Folder::new("web: ./web", Some("A=b\nPORT=80")).application();
    let words = ["a b".to_owned(), "$A".to_owned(), "*".to_owned()];
    let instance = application.command(&words, 2).unwrap();
    assert_eq!((instance.port, instance.label().as_str()), (81, "run.2"));
    let nothing = std::collections::BTreeMap::new();
    assert_eq!(instance.config.command().expand(&nothing).unwrap(), words);
}

#[test]
fn a_one_off_has_the_environment_and_the_first_ports() {
    let application = Folder::new("web: ./web", Some("A=b\nPORT=80")).application();
    let entry = Entry { name: "run".to_owned(), line: 0, command: "rake 'db:migrate' $A".to_owned() };
    let instance = application.one_off(&entry, 2).unwrap();
    assert_eq!((instance.port, instance.label().as_str()), (81, "run.2"));
    assert_eq!(instance.config.name().to_string(), "shop.run@2");
    assert_eq!(instance.config.env()["PS"], "run.2");
    assert_eq!(instance.config.command(), &CommandLine::Words(["rake", "db:migrate", "${A}"].map(String::from).into()));
    let broken = Entry { command: "x '".to_owned(), ..entry };
    assert_eq!(
        application.one_off(&broken, 1).unwrap_err().to_string(),
        "`run`: the single quote that opens at `'` is not closed"
    );
}

#[test]
fn what_is_inherited_is_known_here_but_not_on_a_node() {
    let folder = Folder::new("web: ./web \"$HOME/x\" $LANG\nlog: ./log \"$HOME\" $PORT\nps: ./x $PS", Some("LANG=C"));
    let application = Application::read(&folder.source(), &environment(&[("HOME", "/a b")])).unwrap();
    let is_shell = |jobs: &[&JobConfig]| jobs.iter().map(|job| job.spec().shell).collect::<Vec<_>>();
    let instances = application.instances(&Concurrency::default(), &[]).unwrap();
    assert_eq!(is_shell(&instances.iter().map(|instance| &instance.config).collect::<Vec<_>>()), [false, false, false]);
    let jobs = application.jobs(&Concurrency::default()).unwrap();
    assert_eq!(is_shell(&jobs.iter().collect::<Vec<_>>()), [true, true, true]);
}

#[test]
fn sources_of_variables_come_one_after_the_other() {
    let folder = Folder::new("web: ./web", Some("A=1\nB=1\nC=1\nD=1"));
    let file = folder.write("more", "B=2\nC=2\nD=2");
    let last = folder.write("last", "D=4");
    let env = vec![
        EnvSource::File(file),
        EnvSource::Pair("C".to_owned(), "3".to_owned()),
        EnvSource::Pair("D".to_owned(), "3".to_owned()),
        EnvSource::File(last),
    ];
    let application = Application::read(&Source { env, ..folder.source() }, &environment(&[("A", "0")])).unwrap();
    let expected = [("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")];
    assert_eq!(application.env(), &expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[test]
fn the_env_file_is_that_beside_the_procfile_if_it_is_a_file() {
    let folder = Folder::new("web: ./web", Some("A=shop"));
    fs::create_dir(folder.path("other")).unwrap();
    folder.write("other/.env", "A=other");
    let procfile = folder.write("other/Procfile.dev", "web: ./dev");
    let source = Source { procfile: Some(procfile), ..folder.source() };
    let application = Application::read(&source, &environment(&[])).unwrap();
    assert_eq!((application.name().as_str(), application.env()["A"].as_str()), ("shop", "other"));
    assert_eq!(application.procfile().entries()[0].command, "./dev");
    fs::remove_file(folder.path("shop/.env")).unwrap();
    fs::create_dir(folder.path("shop/.env")).unwrap();
    assert!(folder.application().env().is_empty());
}

#[test]
fn the_first_port_is_the_options_else_the_variables_else_the_environments() {
    let base = |port: Option<u16>, env: Option<&str>, environment: &[(&str, &str)]| {
        let folder = Folder::new("web: ./web", env);
        Application::read(&Source { port, ..folder.source() }, &self::environment(environment))
            .map(|application| application.port("web").unwrap())
            .map_err(|mistakes| mistakes.to_string().replace(&folder.path("").display().to_string(), ""))
    };
    let outer: &[(&str, &str)] = &[("PORT", "7000")];
    assert_eq!(base(Some(9000), Some("PORT=8000"), outer), Ok(9000));
    assert_eq!(base(None, Some("PORT=8000"), outer), Ok(8000));
    assert_eq!(base(None, None, outer), Ok(7000));
    assert_eq!(base(None, Some("PORT="), outer), Ok(7000));
    assert_eq!(base(None, None, &[("PORT", "")]), Ok(5000));
    assert_eq!(base(None, None, &[]), Ok(5000));
    let wrong = |what: &str, value: &str| Err(format!("{what} must be a port, from 1 to 65535, but is `{value}`"));
    assert_eq!(base(Some(0), None, &[]), wrong("--port", "0"));
    assert_eq!(base(None, Some("A=b\nPORT=x"), outer), wrong("shop/.env:2: PORT", "x"));
    assert_eq!(base(None, None, &[("PORT", "65536")]), wrong("PORT in the environment (or give --port)", "65536"));
}

#[test]
fn there_is_no_port_beyond_the_last() {
    let folder = Folder::new("web: ./web\nworker: ./work", Some("PORT=65500"));
    let application = folder.application();
    assert_eq!((application.port("web"), application.port("worker")), (Some(65500), None));
    let web = ["web".to_owned()];
    assert_eq!(application.instances(&concurrency("web=36"), &web).unwrap().len(), 36);
    let told = application.instances(&concurrency("web=40"), &web).unwrap_err();
    let cure = "but 65535 is the last; give a lower --port or PORT, or run fewer";
    assert_eq!(told.to_string(), format!("`web`: the port of process 37 would be 65536, {cure}"));
    let told = application.jobs(&Concurrency::default()).unwrap_err();
    assert_eq!(told.to_string(), format!("`worker`: the port of process 1 would be 65600, {cure}"));
    assert_eq!(application.instances(&concurrency("worker=0"), &[]).unwrap().len(), 1);
}

#[test]
fn types_that_there_are_not_are_told_with_those_that_there_are() {
    let application = Folder::new("web: ./web\nworker: ./work", None).application();
    let told = |mistakes: Mistakes| mistakes.0.into_iter().map(|mistake| mistake.problem).collect::<Vec<_>>();
    assert_eq!(
        told(application.jobs(&concurrency("wrker=1,all=2,x=1")).unwrap_err()),
        [
            "`wrker` is no process type of the Procfile; did you mean `worker`?",
            "`x` is no process type of the Procfile; it has `web`, `worker`",
        ]
    );
    assert_eq!(
        told(application.instances(&Concurrency::default(), &["wep".to_owned()]).unwrap_err()),
        ["`wep` is no process type of the Procfile; did you mean `web`?"]
    );
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let folder = Folder::new("web: x '\nworker ./work\nclock: ''\n", Some("A\nPORT=0\n"));
    let more = folder.write("more", "B='\n");
    let source = Source { env: vec![EnvSource::File(more)], name: Some("a b".to_owned()), ..folder.source() };
    insta::assert_snapshot!(folder.mistakes(&source));
    let source = Source { directory: Some(folder.path("none")), ..Source::default() };
    insta::assert_snapshot!("no_folder", folder.mistakes(&source));
    // What only turns out when words are made of lines.
    folder.write("shop/.env", "");
    folder.write("shop/Procfile", "web: '' x\n");
    assert_eq!(folder.mistakes(&folder.source()), "shop/Procfile:1: `web`: cmd: names no program");
}

#[test]
fn the_name_is_the_folders_unless_one_is_given() {
    let folder = Folder::new("web: ./web", None);
    let name = |name: Option<&str>, directory: &str| {
        let source =
            Source { name: name.map(str::to_owned), directory: Some(folder.path(directory)), ..Source::default() };
        source.name().map(|name| name.to_string()).map_err(|mistakes| mistakes.to_string())
    };
    assert_eq!(name(None, "shop"), Ok("shop".to_owned()));
    assert_eq!(name(Some("."), "shop/"), Ok("shop".to_owned()));
    assert_eq!(name(None, "shop/."), Ok("shop".to_owned()));
    assert_eq!(name(None, "shop/../shop"), Ok("shop".to_owned()));
    assert_eq!(name(None, "none"), Ok("none".to_owned()));
    assert_eq!(name(Some("store.eu"), "shop"), Ok("store.eu".to_owned()));
    assert!(name(Some(""), "shop").unwrap_err().starts_with("--app: "));
    let told = name(None, "my shop").unwrap_err();
    assert!(
        told.starts_with("the folder's name cannot be an application's; give one with --app: `my shop`: ' '"),
        "{told}"
    );
    let root = Source { directory: Some("/".into()), ..Source::default() };
    assert_eq!(root.name().unwrap_err().to_string(), "the application's folder has no name; give one with --app");
    let procfile = Source { procfile: Some(folder.path("shop/Procfile")), ..Source::default() };
    assert_eq!(procfile.name().unwrap().as_str(), "shop");
    let here = std::env::current_dir().unwrap();
    assert_eq!(Some(Source::default().name().unwrap().as_str()), here.file_name().and_then(OsStr::to_str));
}

#[test]
fn there_need_not_be_a_procfile_unless_one_is_named() {
    let folder = Folder::new("web: ./web", None);
    assert_eq!(folder.source().procfile().unwrap().map(|procfile| procfile.entries().len()), Some(1));
    let none = Source { directory: Some(folder.path("none")), ..Source::default() };
    assert_eq!(none.procfile(), Ok(None));
    let named = Source { procfile: Some("Procfile.dev".into()), ..folder.source() };
    let told = named.procfile().unwrap_err().to_string();
    assert!(
        told.ends_with(
            "shop/Procfile.dev: is not there; name the Procfile with --procfile, or its folder with --directory"
        ),
        "{told}"
    );
    folder.write("shop/Procfile", "web");
    assert!(folder.source().procfile().is_err());
}

#[test]
fn stdin_is_open_for_the_types_that_a_variable_names() {
    let open = |env: Option<&str>, environment: &[(&str, &str)]| {
        let folder = Folder::new("web: ./web\nworker: ./work", env);
        let application = Application::read(&folder.source(), &self::environment(environment)).unwrap();
        let jobs = application.jobs(&Concurrency::default()).unwrap();
        let warnings: Vec<_> = application.warnings().iter().map(|warning| warning.problem.clone()).collect();
        (jobs.iter().map(JobConfig::redirect_input).collect::<Vec<_>>(), warnings)
    };
    let outer: &[(&str, &str)] = &[("GAFFER_REDIRECT_INPUT", "web other")];
    assert_eq!(open(None, outer), (vec![true, false], Vec::new()));
    let warning = "GAFFER_REDIRECT_INPUT: `wep` is no process type of the Procfile".to_owned();
    assert_eq!(open(Some("GAFFER_REDIRECT_INPUT='wep  worker'"), outer), (vec![false, true], vec![warning]));
}

#[test]
fn warnings_of_the_procfile_are_the_applications() {
    let application = Folder::new("web: ./web\nweb: ./web2", None).application();
    assert_eq!(application.warnings(), application.procfile().warnings());
    assert_eq!(application.warnings().len(), 1);
}

#[test]
fn types_that_both_run_have_ports_of_their_own() {
    let application = Folder::new("web: ./web\nclock: ./clock\n", None).application();
    let ports = |text: &str| {
        let instances = application.instances(&concurrency(text), &[]);
        instances
            .map(|instances| instances.iter().map(|instance| instance.port).max())
            .map_err(|wrong| wrong.to_string())
    };
    assert_eq!(ports("web=100"), Ok(Some(5100)));
    assert_eq!(ports("web=150,clock=0"), Ok(Some(5149)));
    let wrong = "`web` and `clock` would both have port 5100; run at most 100 of `web`";
    assert_eq!(ports("web=101"), Err(wrong.to_owned()));
}
