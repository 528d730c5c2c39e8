//! The console of a node that asks for a key.

use gaffer_tests::{Client, heavy, repository};
use serde_json::json;

use super::{Keys, make};
use crate::browser::until_no_browser;

#[test]
fn the_console_asks_for_a_key_and_keeps_it_as_long_as_its_tab() {
    let _turn = heavy();
    let keys = Keys::new();
    let setup =
        keys.setup().ini("[process:web]\ncmd = sleep 1000\n").arg("-p").arg(repository().join("examples/plugins"));
    let daemon = setup.start();
    let Some(client) = Client::script(&daemon, "console_key.mjs", true) else { return };
    let key = make(&daemon, &keys.admin, &json!({"manage": ["default"]}));
    let url = format!("http://{}", daemon.address());
    assert_eq!(client.prints(&[&url, &key]), "ok console_key\n");
    until_no_browser(&daemon);
}
