//! `docs/http-api.md`: its examples are run, and it has all calls and no others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::manual::Page;

#[test]
fn the_examples_of_the_manual_of_the_api_do_what_it_says() {
    Page::read("http-api.md").run(|daemon| drop(daemon.until_running("shop.api", 1)));
}

#[test]
fn the_manual_of_the_api_has_every_call_with_an_example() {
    let page = Page::read("http-api.md");
    let daemon = page.daemon();
    let document = daemon.get("/openapi.json");
    let mut served = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
        served.extend(methods.map(|method| format!("{method} {path}")));
    }
    let mut told = BTreeMap::new();
    for heading in page.headings() {
        // One heading may have several: `A`, `B`.
        for call in heading.text.split('`').filter(|part| part.contains(" /")) {
            assert_eq!(told.insert(call.to_owned(), heading.examples), None, "each call stands there once");
        }
    }
    let names: BTreeSet<String> = told.keys().cloned().collect();
    assert_eq!(served.difference(&names).collect::<Vec<_>>(), Vec::<&String>::new(), "not in docs/http-api.md");
    assert_eq!(names.difference(&served).collect::<Vec<_>>(), Vec::<&String>::new(), "not in /openapi.json");
    for (call, examples) in told {
        assert!(examples > 0, "{call} has no example");
    }
    assert!(matches!(document["info"]["title"], Value::String(_)));
}
