//! Plugins of a real manager, put in each other's place.

#![expect(clippy::unwrap_used, reason = "whatever goes wrong fails the test")]

use std::{fs, time::Duration};

use gaffer_core::{
    Manager, ManagerOptions, ProcessId,
    backend::RealBackend,
    events::{Delivery, EventKind, Pattern},
    ini::NodeConfig,
};
use gaffer_plugins::{Applied, PluginSet, Plugins};
use tempfile::TempDir;
use tokio::time::timeout;

/// Far longer than anything takes.
const DEADLINE: Duration = Duration::from_secs(60);

struct World {
    dir: TempDir,
    manager: Manager,
    plugins: Plugins,
}

impl World {
    async fn start(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| write(&dir, name, "app = sh -c 'cat >/dev/null'\n"));
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        let plugins = Plugins::new(read(&dir, ""), vec!["http://127.0.0.1:1".to_owned()]);
        manager.start_applications(vec![Box::new(plugins.clone())]).await.unwrap();
        plugins.node_is_up();
        Self { dir, manager, plugins }
    }

    async fn apply(&self, ini: &str) -> Applied {
        timeout(DEADLINE, self.plugins.apply(read(&self.dir, ini))).await.unwrap()
    }

    async fn pids(&self, plugin: &str) -> Vec<ProcessId> {
        self.manager.pids(Some(&format!("_plugin.{plugin}").parse().unwrap())).await.unwrap_or_default()
    }

    async fn stop(self) {
        timeout(DEADLINE, self.manager.stop()).await.unwrap();
        assert_eq!(self.manager.stopped().await, [""; 0]);
    }
}

fn write(dir: &TempDir, name: &str, keys: &str) {
    let folder = dir.path().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("plugin.ini"), format!("[plugin]\n{keys}")).unwrap();
}

fn read(dir: &TempDir, ini: &str) -> PluginSet {
    PluginSet::read(Some(dir.path()), &NodeConfig::parse("gaffer.ini", ini).unwrap()).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn what_is_the_same_is_not_touched_and_all_else_is_as_the_new_set_says() {
    let world = World::start(&["a", "b"]).await;
    let (a, b) = (world.pids("a").await, world.pids("b").await);
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(world.apply("").await, Applied::default());
    assert_eq!((world.pids("a").await, world.pids("b").await), (a.clone(), b.clone()));

    // Where something stands is nothing new.
    write(&world.dir, "b", "\n# a comment\napp = sh -c 'cat >/dev/null'\n");
    write(&world.dir, "c", "app = sh -c 'cat >/dev/null'\nmandatory = b\n");
    let applied = world.apply("[plugin:a]\nx = 1\n").await;
    let expected = Applied { started: names(&["c"]), restarted: names(&["a"]), ..Applied::default() };
    assert_eq!(applied, expected);
    assert_eq!(world.pids("b").await, b);
    let changed = world.pids("a").await;
    assert!(changed.len() == 1 && changed != a);
    assert_eq!(world.pids("c").await.len(), 1);

    for name in ["b", "c"] {
        fs::remove_dir_all(world.dir.path().join(name)).unwrap();
    }
    let applied = world.apply("[plugin:a]\nx = 1\n").await;
    assert_eq!(applied, Applied { stopped: names(&["c", "b"]), ..Applied::default() }, "who needs another first");
    assert_eq!(world.manager.jobs(None).await.unwrap().len(), 1);
    assert_eq!(world.pids("a").await, changed);
    world.stop().await;
}

#[tokio::test]
async fn a_job_that_somebody_has_unloaded_comes_back() {
    let world = World::start(&["a"]).await;
    world.manager.unload(&"_plugin.a".parse().unwrap()).await.unwrap();
    assert_eq!(world.apply("").await, Applied::default());
    assert_eq!(world.pids("a").await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_application_becomes_a_site_and_back() {
    let world = World::start(&["a"]).await;
    write(&world.dir, "a", "");
    assert_eq!(world.apply("").await, Applied { stopped: names(&["a"]), ..Applied::default() });
    assert!(world.manager.jobs(None).await.unwrap().is_empty());
    write(&world.dir, "a", "app = sh -c 'cat >/dev/null'\n");
    assert_eq!(world.apply("").await, Applied { started: names(&["a"]), ..Applied::default() });
    assert_eq!(world.pids("a").await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_restart_of_everything_is_told_and_replaces_no_process() {
    let world = World::start(&["a"]).await;
    let script = "while read -r line; do case $$line in *restart*) exit 7 ;; esac; done";
    write(&world.dir, "a", &format!("app = sh -c '{script}'\n"));
    let mut exits = world.manager.subscribe(&Pattern::Kind(EventKind::Exit));
    world.apply("").await;
    timeout(DEADLINE, exits.recv()).await.unwrap(); // The old one.
    let pid = world.pids("a").await[0];
    world.manager.restart().await.unwrap();
    let Some(Delivery::Item(exit)) = timeout(DEADLINE, exits.recv()).await.unwrap() else { panic!() };
    assert_eq!(exit.event().process.as_ref().map(|process| process.pid), Some(pid));
    assert!(String::from_utf8(exit.json().to_vec()).unwrap().contains("\"exit_code\":7"), "it went by itself");
    world.stop().await;
}
