use serde_json::json;

use super::*;

#[tokio::test]
async fn statistics_follow_the_processes_of_a_job() {
    let node = Listening::start().await;
    node.load(idle("shop.web")).await;
    node.load(idle("other")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STATS:shop.web").await;
    let first = line.next_of("gaffer:event").await;
    assert!(first.get("id").is_none(), "statistics cannot be resumed");
    let data = &first["data"];
    assert_eq!(
        (&data["event"], &data["topic"], &data["name"], &data["pid"]),
        (&json!("stat"), &json!("STATS:shop.web"), &json!("shop.web"), &json!(1))
    );
    for key in ["os_pid", "cpu", "mem", "rss", "vms", "cpu_time"] {
        assert!(data[key].is_number(), "{key}: {data}");
    }
    for key in ["mem_info1", "mem_info2", "ctime"] {
        assert!(data[key].is_string(), "{key}: {data}");
    }
    // One that comes later, and when the first one has gone only that.
    line.done("scale", json!(["shop.web", 1])).await;
    while line.next_of("gaffer:event").await["data"]["pid"] != 3 {}
    line.done("scale", json!(["shop.web", -1])).await;
    let mut later = 0;
    while later < 3 {
        later = if line.next_of("gaffer:event").await["data"]["pid"] == 3 { later + 1 } else { 0 };
    }
    line.unsubscribe("STATS:shop.web").await;
    assert!(line.settle().await.is_empty());
    node.stop().await;
}

#[tokio::test]
async fn those_of_all_processes_say_whose_they_are() {
    let node = Listening::start().await;
    node.load(idle("shop.web")).await;
    node.load(idle("other")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STATS").await;
    let mut names = std::collections::BTreeSet::new();
    while names.len() < 2 {
        names.insert(line.next_of("gaffer:event").await["data"]["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["default.other", "shop.web"]);
    node.stop().await;
}

#[tokio::test]
async fn those_of_a_process_end_with_it() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STATS:1").await;
    assert_eq!(line.next_of("gaffer:event").await["data"]["pid"], 1);
    line.done("stop_process", json!([1])).await;
    assert_eq!(line.next_of("gaffer:subscription_end").await["topic"], "STATS:1");
    node.stop().await;
}
