//! Folders of plugins.

use tempfile::TempDir;

use super::*;

/// A folder with these files.
fn plugins(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn read_with(dir: &TempDir, ini: &str) -> Result<PluginSet, Vec<String>> {
    PluginSet::read(Some(dir.path()), &NodeConfig::parse("gaffer.ini", ini).unwrap())
}

/// What is wrong, without where the folder is.
fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    let dir = plugins(files);
    let shown = dir.path().display().to_string();
    read_with(&dir, "").unwrap_err().iter().map(|error| error.replace(&shown, "P")).collect()
}

#[test]
fn what_a_plugin_says_is_read() {
    let dir = plugins(&[(
        "folder/plugin.ini",
        "[plugin]\nname = restarter\nversion = 1.2\ndescription = Restarts.\napp = ./run.py 'a b' --x\n\
         subscribe = exit, proc.web\nstop_timeout = 2\n[env]\nmode = fast\n",
    )]);
    let set = read_with(&dir, "[plugin:restarter]\nJob = web\n").unwrap();
    let [plugin] = set.plugins() else { panic!("{set:?}") };
    assert_eq!((plugin.name(), plugin.version()), ("restarter", Some("1.2")));
    assert_eq!((plugin.description(), plugin.folder()), (Some("Restarts."), dir.path().join("folder").as_path()));
    let app = plugin.app().unwrap();
    assert_eq!(app.job.name().to_string(), "_plugin.restarter");
    assert_eq!(app.job.command().to_string(), "./run.py 'a b' --x");
    assert_eq!(app.job.cwd(), Some(&dir.path().join("folder")));
    assert_eq!((app.job.env()["MODE"].as_str(), app.job.graceful_timeout().as_secs()), ("fast", 2));
    assert!(app.job.is_owned() && app.job.redirect_input());
    let subscribed: Vec<&str> = app.subscribe.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(subscribed, ["exit", "proc.web"]);
    assert_eq!(app.config["job"], "web");
    assert_eq!(set.warnings(), [""; 0]);
}

#[test]
fn sites_are_plugins_and_other_folders_are_not() {
    let dir = plugins(&[
        ("console/_site/index.html", ""),
        ("pages/index.html", ""),
        ("both/plugin.ini", "[plugin]\ndescription = a site and no program\n"),
        ("both/_site/index.html", ""),
        (".hidden/plugin.ini", "nonsense"),
        ("old/plugin/__init__.py", ""),
        ("folders/of/plugins/index.html", ""),
        ("file", ""),
    ]);
    let set = read_with(&dir, "").unwrap();
    assert_eq!(set.plugins().iter().map(Plugin::name).collect::<Vec<_>>(), ["both", "console", "pages"]);
    assert!(set.plugins().iter().all(|plugin| plugin.job().is_none()));
    let [warning] = set.warnings() else { panic!("{set:?}") };
    assert!(warning.contains("/old: is taken for no plugin: it has neither a plugin.ini nor a site"), "{warning}");
    let sites = set.sites();
    assert_eq!(sites.keys().collect::<Vec<_>>(), ["both", "console", "pages"]);
    assert_eq!(sites["console"], "/_plugin/console/");
}

#[test]
fn a_folder_that_is_not_there_has_none() {
    for folder in [None, Some("/no/such/folder"), Some("/etc/passwd/x")] {
        let set = PluginSet::read(folder.map(Path::new), &NodeConfig::default()).unwrap();
        assert!(set.plugins().is_empty() && set.sites().is_empty());
    }
}

#[test]
fn those_that_are_needed_come_first() {
    let dir = plugins(&[
        ("a/plugin.ini", "[plugin]\nmandatory = c, site\napp = true\n"),
        ("b/plugin.ini", "[plugin]\napp = true\n"),
        ("c/plugin.ini", "[plugin]\nmandatory = b\napp = true\n"),
        ("site/index.html", ""),
    ]);
    let set = read_with(&dir, "").unwrap();
    let order: Vec<(&str, Option<u32>)> =
        set.plugins().iter().map(|plugin| (plugin.name(), plugin.job().map(JobConfig::priority))).collect();
    assert_eq!(order, [("b", Some(0)), ("site", None), ("c", Some(1)), ("a", Some(2))]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    assert_eq!(
        mistakes(&[("a/plugin.ini", "[plugin]\nmandatory = b\n"), ("b/plugin.ini", "[plugin]\nap = x\n")]),
        ["P/b/plugin.ini:2: [plugin] ap: is not a key of this section; did you mean `app`?"]
    );
    assert_eq!(
        mistakes(&[("a/plugin.ini", "[plugin]\nmandatory = some_dap, b\n"), ("some_dep/index.html", "")]),
        [
            "P/a/plugin.ini:2: [plugin] mandatory: the plugin `a` needs the plugin `some_dap`, which is not in P (did you mean \
             `some_dep`?); put it there, or remove `a`",
            "P/a/plugin.ini:2: [plugin] mandatory: the plugin `a` needs the plugin `b`, which is not in P; put it there, or \
             remove `a`",
        ]
    );
    assert_eq!(
        mistakes(&[("a/plugin.ini", "[plugin]\nmandatory = b\n"), ("b/plugin.ini", "[plugin]\n\nmandatory = a\n")]),
        ["P/a/plugin.ini:2: [plugin] mandatory: plugins need each other in a circle: a -> b -> a"]
    );
    assert_eq!(
        mistakes(&[("a/index.html", ""), ("b/plugin.ini", "[plugin]\nname = a\n")]),
        ["P/b/plugin.ini:2: [plugin] name: two plugins are called `a`, in P/a and in P/b; rename one"]
    );
    assert_eq!(
        mistakes(&[("a b/plugin.ini", "[plugin]\n")]),
        [
            "P/a b/plugin.ini: [plugin] has no `name`, and that of its folder cannot be a plugin's (`a b`: ' ' cannot stand in a \
          job name; use letters, digits, `_`, `@`, `+` and `-`, and begin with a letter, a digit or `_`); give it one"
        ]
    );
    assert_eq!(
        mistakes(&[("a/plugin.ini", "[plugin]\napp = 'x\n")]),
        ["P/a/plugin.ini:2: [plugin] app: has an open quote or a trailing backslash: `'x`"]
    );
}

#[test]
fn sections_that_nobody_reads_are_warned_of() {
    let dir = plugins(&[("site/index.html", ""), ("app/plugin.ini", "[plugin]\napp = true\n")]);
    let set = read_with(&dir, "[plugin:site]\na = 1\n[plugin:ap]\n[plugin:app]\n").unwrap();
    let shown = dir.path().display();
    assert_eq!(
        set.warnings(),
        [
            format!(
                "gaffer.ini:3: [plugin:ap] has no effect: there is no such plugin in {shown} (did you mean `app`?)"
            ),
            "gaffer.ini:1: [plugin:site] has no effect: the plugin has no `app` that could be told".to_owned(),
        ]
    );
    let config = NodeConfig::parse("gaffer.ini", "[plugin:a]\n").unwrap();
    let set = PluginSet::read(None, &config).unwrap();
    assert_eq!(set.warnings(), ["gaffer.ini:1: [plugin:a] has no effect: there is no folder of plugins"]);
}
