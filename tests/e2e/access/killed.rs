//! What was acknowledged is there, however gafferd ends.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use gaffer_tests::http::Connection;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Keys, ask};

/// Keys that are made in all, if nothing comes in between.
const KEYS: usize = 1000;

/// Makes keys on one connection until that breaks. Whatever is acknowledged is told at once.
fn make_keys(address: std::net::SocketAddr, admin: &str, number: &AtomicUsize, made: &Mutex<Vec<(String, usize)>>) {
    let mut connection = Connection::open(address);
    loop {
        let at = number.fetch_add(1, Ordering::SeqCst);
        if at >= KEYS {
            return;
        }
        let body = json!({"permissions": {"read": [format!("s{at}")]}, "label": format!("key {at}")}).to_string();
        connection.request("POST", "/keys", &[("X-Api-Key", admin)], Some(body.as_bytes()));
        let Some(answer) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.answer("POST"))).ok()
        else {
            return; // The connection broke in the middle of an answer.
        };
        if answer.status != 200 {
            return;
        }
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return };
        made.lock().unwrap().push((body["api_key"].as_str().unwrap().to_owned(), at));
    }
}

#[test]
fn a_kill_in_the_middle_of_a_thousand_writes_loses_no_key_that_was_shown() {
    let rounds = if gaffer_tests::full_scale() { 20 } else { 3 };
    for round in 0..rounds {
        let keys = Keys::new();
        let mut daemon = keys.start("");
        let (address, number, made) = (daemon.address(), AtomicUsize::new(0), Mutex::new(Vec::new()));
        // Somewhere in the middle, elsewhere each time.
        let enough = KEYS * (round + 1) / (rounds + 1);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| make_keys(address, &keys.admin, &number, &made));
            }
            while made.lock().unwrap().len() < enough {
                thread::yield_now();
            }
            daemon.signal(Signal::SIGKILL);
        });
        daemon.wait();
        let made = made.into_inner().unwrap();
        assert!(made.len() >= enough && made.len() < KEYS, "{} of {KEYS} were made", made.len());

        let mut daemon = keys.start("");
        for (key, at) in &made {
            let told = ask(&daemon, key, "GET", &format!("/keys/{key}"), "");
            assert_eq!(told.status, 200, "key {at} was shown, and is gone: {told}");
            let told = told.json();
            assert_eq!(told["label"], format!("key {at}"));
            assert_eq!(told["permissions"]["read"], json!([format!("s{at}")]));
        }
        // What was not acknowledged may be there, but then whole.
        let all = ask(&daemon, &keys.admin, "GET", "/keys?include_keys=true", "").json();
        let labels: BTreeSet<&str> =
            all["keys"].as_array().unwrap().iter().map(|key| key["label"].as_str().unwrap()).collect();
        assert!(labels.len() > made.len() && labels.len() <= KEYS + 1);
        daemon.stop();
    }
}
