use serde_json::json;

use super::*;

#[tokio::test]
async fn jobs_live_their_whole_life_by_commands() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    let ok = json!({"ok": true});
    let answer = line.command("load", json!([idle("web")]), json!({"sessionid": "shop", "env": {"A": "b"}})).await;
    assert_eq!(answer["data"]["result"], ok);
    assert_eq!(
        line.command("load", json!([]), json!({"config": idle("stopped"), "start": false})).await["data"]["result"],
        ok
    );
    assert_eq!(line.done("sessions", json!([])).await, json!({"sessions": ["shop", "default"]}));
    assert_eq!(line.done("jobs", json!([])).await, json!({"jobs": ["shop.web", "default.stopped"]}));
    assert_eq!(line.done("jobs", json!(["shop"])).await, json!({"sessionid": "shop", "jobs": ["shop.web"]}));
    assert_eq!(line.done("pids", json!([])).await, json!({"pids": [1]}));
    assert_eq!(line.done("pids", json!(["shop:web"])).await, json!({"sessionid": "shop:web", "pids": [1]}));

    for (n, number) in
        [(json!(1), 2), (json!("+2"), 4), (json!(-1), 3), (json!("-1"), 2), (json!("=5"), 5), (json!("1"), 6)]
    {
        assert_eq!(line.done("scale", json!(["shop.web", n])).await, json!({"numprocesses": number}), "{n}");
    }
    assert_eq!(line.done("reload", json!(["shop.web"])).await, ok);
    let info = line.done("info", json!(["shop.web"])).await["info"].clone();
    assert_eq!(
        (&info["name"], &info["max_processes"], &info["config"]["env"]["A"]),
        (&json!("shop.web"), &json!(1), &json!("b"))
    );
    let stats = line.done("stats", json!(["shop.web"])).await["stats"].clone();
    assert!(stats["name"] == "shop.web" && stats["stats"].is_array() && stats["cpu"].is_number(), "{stats}");

    let once = line.command("commit", json!(["stopped"]), json!({"graceful_timeout": 0.5, "env": {"C": "d"}})).await;
    let pid = once["data"]["result"]["pid"].as_u64().unwrap();
    let process = line.done("process_info", json!([pid])).await["info"].clone();
    assert_eq!(
        (&process["name"], &process["commited"], &process["env"]["C"]),
        (&json!("default.stopped"), &json!(true), &json!("d"))
    );
    let stats = line.done("process_stats", json!([pid.to_string()])).await["stats"].clone();
    assert_eq!(stats["pid"], pid);
    assert_eq!(line.done("kill", json!([pid, "HUP"])).await, ok);

    let mut new = idle("web");
    new["numprocesses"] = 2.into();
    assert_eq!(line.command("update", json!([new, "shop"]), json!({})).await["data"]["result"], ok);
    assert_eq!(line.done("info", json!(["shop.web"])).await["info"]["max_processes"], 2);
    for name in ["stopall", "restart_job", "stop_job", "start_job"] {
        assert_eq!(line.done(name, json!(["shop.web"])).await, ok, "{name}");
    }
    assert_eq!(line.done("killall", json!(["shop.web", 10])).await, ok);
    assert_eq!(line.command("unload", json!(["web"]), json!({"sessionid": "shop"})).await["data"]["result"], ok);
    assert_eq!(line.done("unload", json!(["stopped"])).await, ok);
    assert_eq!(line.done("jobs", json!([])).await, json!({"jobs": []}));
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_says_why() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    let none = json!({});
    for (name, args, kwargs, expected) in [
        ("nonsense", json!([]), &none, is(404, "command_not_found")),
        ("scale", json!([]), &none, is(400, "bad_command")),
        ("scale", json!(["web"]), &none, is(400, "bad_command")),
        ("scale", json!(["web", "x"]), &none, is(400, "bad_command")),
        ("scale", json!(["web", 1, 2]), &none, is(400, "bad_command")),
        ("scale", json!(["nope", 1]), &none, is(404, "not_found")),
        ("scale", json!(["web", 1]), &json!({"n": 1}), is(400, "bad_command")),
        ("scale", json!(["web", 1]), &json!({"nope": 1}), is(400, "bad_command")),
        ("start_job", json!([7]), &none, is(400, "bad_command")),
        ("start_job", json!(["a b"]), &none, is(400, "bad_command")),
        ("load", json!([]), &none, is(400, "bad_command")),
        ("load", json!(["web"]), &none, is(400, "bad_command")),
        ("load", json!([{"name": "x"}]), &none, is(400, "bad_request")),
        ("load", json!([{"name": "x", "cmd": "true"}]), &json!({"env": 7}), is(400, "bad_command")),
        ("load", json!([{"name": "x", "cmd": "true"}]), &json!({"start": 7}), is(400, "bad_request")),
        ("load", json!([{"name": "a.x", "cmd": "true"}]), &json!({"sessionid": "b"}), is(400, "bad_request")),
        ("load", json!([{"name": "web", "cmd": "true"}]), &none, is(409, "process_conflict")),
        ("unload", json!(["nope"]), &none, is(404, "not_found")),
        ("unload", json!(["a.web", "b"]), &none, is(400, "bad_command")),
        ("jobs", json!(["nope"]), &none, is(404, "not_found")),
        ("kill", json!([1, "NONSENSE"]), &none, is(400, "bad_command")),
        ("kill", json!(["web", 9]), &none, is(400, "bad_command")),
        ("kill", json!([99, 9]), &none, is(404, "not_found")),
        ("process_info", json!([0]), &none, is(400, "bad_command")),
        ("process_info", json!([1.5]), &none, is(400, "bad_command")),
        ("send", json!([1]), &none, is(400, "bad_command")),
        ("send", json!([1, [7]]), &none, is(400, "bad_command")),
        ("send", json!([1, "x"]), &none, is(403, "forbidden_write")),
        ("send", json!([1, "x", "extra"]), &none, is(404, "stream_not_found")),
        ("commit", json!(["web", "x"]), &none, is(400, "bad_command")),
    ] {
        assert_eq!(line.failed(name, args.clone(), kwargs.clone()).await, expected, "{name} {args} {kwargs}");
    }
    node.stop().await;
}

#[tokio::test]
async fn commands_are_done_in_the_order_in_which_they_come() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    for number in 0..50 {
        let name = format!("job{number}");
        for (command, argument) in [("load", idle(&name)), ("stop_job", json!(name)), ("unload", json!(name))] {
            let data = json!({"identity": format!("{command} {number}"), "name": command, "args": [argument]});
            line.say(json!({"event": "CMD", "data": data})).await;
        }
    }
    for number in 0..50 {
        for command in ["load", "stop_job", "unload"] {
            let answer = line.next().await;
            assert_eq!(answer["data"], json!({"id": format!("{command} {number}"), "result": {"ok": true}}));
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn what_is_sent_to_a_process_that_does_not_read_holds_up_nothing_else() {
    let node = Listening::start().await;
    let mut deaf = echo("deaf");
    deaf["cmd"] = "sleep 1000".into();
    node.load(deaf).await;
    node.load(echo("web")).await;
    let mut line = Line::open(&node).await;
    // More than pipe and queue hold.
    let much = "x".repeat(300_000);
    for number in 0..8 {
        let data = json!({"identity": format!("deaf {number}"), "name": "send", "args": [1, much]});
        line.say(json!({"event": "CMD", "data": data})).await;
    }
    line.subscribe("STREAM:2").await;
    line.done("send", json!([2, "hello\n"])).await;
    assert_eq!(line.next_of("gaffer:event").await["data"]["data"], "hello\n");
    // Those that wait are told when the process is gone.
    line.done("stop_job", json!(["deaf"])).await;
    let mut failed = 0;
    while failed < 1 {
        let answer = line.next().await;
        failed += usize::from(answer["event"] == "gaffer:command_error");
    }
    node.stop().await;
}
