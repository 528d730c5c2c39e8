//! `run`, where its first word is a job of the loaded application.

use super::{Shop, Transcript};

#[test]
fn a_job_is_launched_once_more_with_its_own_variables() {
    let shop = Shop::new("web: misbehave report $REPORT forever\nls: misbehave forever\n");
    shop.file(".env", "REPORT=kept.json\n");
    let gaffer = shop.loaded(&["web", "ls"]);
    Transcript::of(&gaffer)
        .run("run web -p REPORT=once.json --graceful-timeout=5 -p A=b=c")
        .run("run --json -p REPORT=twice.json web")
        .check("run");
    let report = shop.daemon.report("shop/once.json");
    assert_eq!((report["env"]["A"].as_str(), report["env"]["PORT"].as_str()), (Some("b=c"), Some("5000")));
    assert_eq!(shop.daemon.report("shop/twice.json")["env"]["A"].as_str(), None);
    let info = shop.daemon.get("/jobs/shop/web");
    assert_eq!((&info["running"], &info["running_out"], &info["max_processes"]), (&3.into(), &2.into(), &1.into()));
}

#[test]
fn what_is_no_job_or_stands_behind_dashes_is_run_here() {
    let shop = Shop::new("web: echo line of the Procfile\nls: misbehave forever\n");
    let gaffer = shop.gaffer();
    // Nothing is loaded yet.
    assert_eq!(gaffer.prints(&["run", "web"]), "line of the Procfile\n");
    gaffer.prints(&["load", "--nostart"]);
    assert_eq!(gaffer.prints(&["run", "--", "ls"]), "Procfile\n");
    assert_eq!(gaffer.prints(&["run", "ls", "-a", "Procfile"]), "Procfile\n");
    assert_eq!(gaffer.prints(&["run", "web"]), "'shop.web': new process 1 launched\n");
    let nobody = gaffer.env("GAFFER_ENDPOINT", "http://127.0.0.1:1");
    // What is meant for a node that was named must not run here.
    let said = nobody.run(&["run", "web"]);
    assert_eq!((said.code, said.stdout.as_str()), (4, ""), "{said}");
}
