//! What a process is given at its start, and starts that fail.

use std::os::unix::fs::PermissionsExt;

use gaffer_tests::{Daemon, Setup, processes, skip};
use serde_json::json;

#[test]
fn a_process_has_only_its_own_descriptors_and_a_clean_start() {
    // gafferd itself is given more than it should by whoever starts it, and has pipes and sockets of its own.
    let setup = Setup::new().preamble("trap '' HUP USR1 PIPE; ulimit -Sn 500; exec 7</dev/null 8<. 9>&1");
    let setup = setup.ini(
        "[process:other]\ncmd = misbehave forever\nredirect_output = out, err\nredirect_input = true\nnumprocesses = 3\n\
         [process:closed]\ncmd = misbehave report closed forever\n\
         [process:piped]\ncmd = misbehave report piped forever\nredirect_output = out, err\nredirect_input = true\n\
         [process:extra]\ncmd = misbehave report extra forever\ncustom_streams = more\n\
         [process:signals]\ncmd = grep Sig /proc/self/status > part; mv part signals; exec sleep 86400\nshell = true\n\
         [process:limit]\ncmd = ulimit -Sn > part2; mv part2 limit; exec sleep 86400\nshell = true\n",
    );
    let daemon = setup.start();
    daemon.get("/processes"); // So that connections exist, too.
    let fds = |report: &serde_json::Value| -> Vec<(i32, String)> {
        let fds = report["fds"].as_object().unwrap().iter();
        let mut fds: Vec<_> =
            fds.map(|(number, target)| (number.parse().unwrap(), target.as_str().unwrap().to_owned())).collect();
        fds.sort();
        fds
    };
    let closed = daemon.report("closed");
    let nulls: Vec<_> = (0..3).map(|number| (number, "/dev/null".to_owned())).collect();
    assert_eq!(fds(&closed), nulls);
    let piped = fds(&daemon.report("piped"));
    assert_eq!(piped.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(piped.iter().all(|(_, target)| !target.starts_with('/')), "{piped:?}");
    let extra = fds(&daemon.report("extra"));
    assert_eq!(extra.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3]);

    let signals = daemon.read("signals");
    for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"] {
        assert!(signals.contains(line), "{line} is not in:\n{signals}");
    }
    assert_eq!(daemon.read("limit"), "500\n", "the limit is the one that gafferd was started with");
    assert_eq!(closed["pgrp"], closed["os_pid"], "it leads its group");
}

#[test]
fn the_environment_is_gafferds_with_the_jobs_on_top() {
    let setup = Setup::new();
    let ini = format!(
        "[process:full]\ncmd = misbehave report full forever\n[env:full]\ncolour = blue\nWEATHER = fine\n\
         [process:bare]\ncmd = {} report bare forever\nos_env = false\n[env:bare]\nONLY = this\n{}={}\n",
        gaffer_tests::binary("misbehave").display(),
        setup.mark(),
        setup.id()
    );
    let daemon = setup.env("WEATHER", "bad").env("SEASON", "spring").ini(&ini).start();
    let full = daemon.report("full");
    assert_eq!(full["env"]["COLOUR"], "blue");
    assert_eq!(full["env"]["WEATHER"], "fine");
    assert_eq!(full["env"]["SEASON"], "spring");
    let bare = daemon.report("bare");
    let mut names: Vec<&String> = bare["env"].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["GAFFER_PROCESS", "GAFFER_TEST_ID", "ONLY"], "{}", bare["env"]);
    let mark = full["env"]["GAFFER_PROCESS"].as_str().unwrap();
    assert!(mark.ends_with(&format!(":{}", daemon.pids("full")[0])), "{mark}");
}

#[test]
fn words_are_split_as_a_shell_does_and_variables_replaced() {
    let daemon = Daemon::start(
        "[process:words]\n\
         cmd = misbehave print \"one $PORT\" print 'it''s' print ${WHAT} print a\\ b print $$HOME eprint ''\n\
         args = touch done forever\nredirect_output = out\n\
         [env:words]\nPORT = 8080\nWHAT = two  words\n\
         [process:shell]\ncmd = echo $((1 + 2)) > sum; exec misbehave forever\nshell = true\n",
    );
    daemon.read("done");
    let (_, os_pid) = daemon.only_process("words");
    let line = std::fs::read(format!("/proc/{os_pid}/cmdline")).unwrap();
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    assert_eq!(
        words[1..words.len() - 1],
        [
            "print",
            "one 8080",
            "print",
            "its",
            "print",
            "two  words",
            "print",
            "a b",
            "print",
            "$HOME",
            "eprint",
            "",
            "touch",
            "done",
            "forever"
        ]
    );
    daemon.until("the shell has summed up", || match std::fs::read_to_string(daemon.path("sum")) {
        Ok(text) if text == "3\n" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_process_runs_in_its_own_folder() {
    let setup = Setup::new();
    std::fs::create_dir(setup.path("sub")).unwrap();
    let daemon = setup.ini("[process:web]\ncmd = misbehave report here forever\ncwd = sub\n").start();
    let report = daemon.report("sub/here");
    assert_eq!(report["cwd"].as_str().unwrap(), daemon.path("sub").canonicalize().unwrap().to_str().unwrap());
}

#[test]
fn rights_are_dropped_with_all_supplementary_groups() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can run processes as somebody else");
    }
    let setup = Setup::new();
    // The user must reach both the program and a place to write to.
    std::fs::set_permissions(setup.path(""), PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::copy(gaffer_tests::binary("misbehave"), setup.path("program")).unwrap();
    let daemon = setup
        .ini(
            "[process:named]\ncmd = ./program report named forever\nuid = nobody\n\
             [process:numbered]\ncmd = ./program report numbered forever\nuid = 65534\ngid = 1\n\
             [process:nameless]\ncmd = ./program report nameless forever\nuid = 54321\ngid = 54322\n\
             [process:group]\ncmd = ./program report group forever\ngid = 1\n",
        )
        .start();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let groups_of = |name: &str, gid: nix::unistd::Gid| {
        let name = std::ffi::CString::new(name).unwrap();
        let mut groups: Vec<u32> =
            nix::unistd::getgrouplist(&name, gid).unwrap().into_iter().map(nix::unistd::Gid::as_raw).collect();
        groups.sort_unstable();
        groups
    };
    let groups = |report: &serde_json::Value| {
        let mut groups: Vec<u64> =
            report["groups"].as_array().unwrap().iter().map(|group| group.as_u64().unwrap()).collect();
        groups.sort_unstable();
        groups.into_iter().map(|group| u32::try_from(group).unwrap()).collect::<Vec<u32>>()
    };
    let named = daemon.report("named");
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    assert_eq!((&named["uid"], &named["gid"]), (&json!([uid, uid]), &json!([gid, gid])));
    assert_eq!(groups(&named), groups_of("nobody", nobody.gid));
    let numbered = daemon.report("numbered");
    assert_eq!((&numbered["uid"], &numbered["gid"]), (&json!([65534, 65534]), &json!([1, 1])));
    let nameless = daemon.report("nameless");
    assert_eq!((&nameless["uid"], &nameless["gid"]), (&json!([54321, 54321]), &json!([54322, 54322])));
    for report in [&named, &numbered, &nameless] {
        assert!(!groups(report).contains(&0), "a group of root's is left: {}", report["groups"]);
        let status = report["status"].as_str().unwrap();
        // Real, effective, saved and file system ids: nothing to go back to.
        let uid = report["uid"][0].to_string();
        assert!(status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")), "{status}");
        let gid = report["gid"][0].to_string();
        assert!(status.contains(&format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}")), "{status}");
    }
    assert_eq!(daemon.report("group")["gid"], json!([1, 1]));
    daemon.post("/processes/named/_stop");
    daemon.until_running("named", 0);
}

#[test]
fn a_number_that_the_kernel_takes_for_no_change_is_refused() {
    // With -1 for a user the process used to keep running as root.
    for (owner, cause) in [
        ("uid = 4294967295\ngid = 1", "there is no user `4294967295`"),
        ("uid = 1\ngid = 4294967295", "there is no group `4294967295`"),
    ] {
        let daemon = Daemon::start(&format!("[process:web]\ncmd = misbehave touch ran forever\n{owner}\n"));
        let status = daemon.until_status("web", "tells its cause", |status| status["cause"].is_string());
        assert_eq!(status["cause"], cause);
        assert!(!daemon.path("ran").exists());
    }
}

/// Loads jobs that cannot run beside one that does, and checks what is told of them.
#[track_caller]
fn fails_to_start(settings: &str, cause: &str) {
    let daemon = Setup::new()
        .ini(&format!(
            "[process:bad]\n{settings}\n[process:good]\ncmd = misbehave forever\n\
             [process:clock]\ncmd = misbehave log clock after 100\nflapping = 1000, 1, 1, 1\n"
        ))
        .arg("-vv")
        .start();
    let status = daemon.until_status("bad", "tells its cause", |status| status["cause"].is_string());
    assert!(status["cause"].as_str().unwrap().contains(cause), "{status}");
    assert_eq!((&status["running"], &status["active"]), (&json!(0), &json!(false)), "{status}");
    daemon.until_logged(cause);
    daemon.until_shown("bad | spawn_error");
    let before = daemon.status("bad")["restarts"].as_u64().unwrap();
    daemon.until("a second has passed", || {
        let ticks = daemon.launches("clock").len();
        if ticks >= 10 { Ok(()) } else { Err(ticks) }
    });
    // Each failure doubles the wait, so that there are only a few in this second (or however long it took).
    let after = daemon.status("bad")["restarts"].as_u64().unwrap();
    assert!(after <= before + 12, "it is tried in a loop: {before}, then {after}");
    let told = daemon.log().iter().filter(|line| line.text.contains(cause)).count();
    assert_eq!(told, 1, "the same cause is told once");
    daemon.until_running("good", 1);
}

#[test]
fn a_missing_program_is_named() {
    fails_to_start("cmd = ./nowhere at all", "there is no program `./nowhere`");
}

#[test]
fn a_program_that_is_in_no_folder_of_the_path_is_named() {
    fails_to_start("cmd = no-such-program-anywhere", "there is no program `no-such-program-anywhere` in PATH");
}

#[test]
fn a_file_that_is_no_program_is_named() {
    fails_to_start("cmd = ./gaffer.ini", "`./gaffer.ini` cannot be executed");
}

#[test]
fn a_missing_folder_is_named() {
    fails_to_start("cmd = misbehave forever\ncwd = no/such/folder", "no/such/folder");
}

#[test]
fn an_unknown_variable_is_named() {
    fails_to_start("cmd = misbehave print $NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE");
}

#[test]
fn an_unknown_user_is_named() {
    if !nix::unistd::geteuid().is_root() {
        return skip("without root the first obstacle is another one");
    }
    fails_to_start("cmd = misbehave forever\nuid = no-such-user", "there is no user `no-such-user`");
}

#[test]
fn a_job_that_could_not_start_starts_once_the_obstacle_is_gone() {
    let daemon = Daemon::start("[process:late]\ncmd = ./program forever\n");
    daemon.until_status("late", "tells its cause", |status| status["cause"].is_string());
    std::fs::copy(gaffer_tests::binary("misbehave"), daemon.path("unfinished")).unwrap();
    std::fs::rename(daemon.path("unfinished"), daemon.path("program")).unwrap();
    let (_, os_pid) = daemon.only_process("late");
    assert!(processes::is_alive(os_pid));
    assert!(daemon.status("late")["cause"].is_null());
}
