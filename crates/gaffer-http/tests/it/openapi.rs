//! The description of the API.

use std::collections::HashSet;

use gaffer_core::config::JOB_KEYS;
use serde_json::Value;

use crate::fixture::Node;

/// All values of `$ref` below.
fn references<'a>(value: &'a Value, found: &mut HashSet<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let node = Node::start();
    let document = node.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");

    let mut wanted = HashSet::new();
    references(&document, &mut wanted);
    assert!(wanted.contains("#/components/schemas/Error"));
    for reference in wanted {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} leads nowhere");
    }

    let mut names = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{method} {path}: {name} is there twice");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path} says what it does");
            assert!(operation["responses"]["500"].is_object(), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let description = response["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{method} {path}: {status} is not described");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let described = parameter["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(described, "{method} {path}: {}", parameter["name"]);
            }
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_described_with_the_keys_that_are_read() {
    let node = Node::start();
    let document = node.get("/openapi.json").await.json();
    let mut described = HashSet::new();
    properties(&document, &document["components"]["schemas"]["Job"], &mut described);
    let read: HashSet<&str> = JOB_KEYS.into_iter().chain(["group"]).collect();
    assert_eq!(described, read);
    node.stop().await;
}

/// Names of a schema's properties, also of those that it is made of.
fn properties<'a>(document: &'a Value, schema: &'a Value, found: &mut HashSet<&'a str>) {
    if let Some(reference) = schema["$ref"].as_str() {
        properties(document, document.pointer(reference.trim_start_matches('#')).unwrap(), found);
    }
    found.extend(schema["properties"].as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)));
    for part in schema["allOf"].as_array().into_iter().flatten() {
        properties(document, part, found);
    }
}
