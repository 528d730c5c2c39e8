//! The type of a file, by the ending of its name.

use axum::http::HeaderValue;
use mime_guess::mime;

/// Types that are text without being called so.
const TEXT: [&str; 5] = ["javascript", "json", "xml", "x-sh", "yaml"];

/// The value of `Content-Type`. Text is said to be UTF-8.
pub(super) fn of(name: &str) -> HeaderValue {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let guess = match ending.as_deref() {
        // Source maps are JSON, which browsers' tools expect to be told.
        Some("map") => mime::APPLICATION_JSON,
        // As RFC 9239 has it, and scripts that are no modules have already.
        Some("mjs") => mime::TEXT_JAVASCRIPT,
        _ => mime_guess::from_path(name).first_or_octet_stream(),
    };
    let suffix = guess.suffix().map(|suffix| suffix.as_str());
    let is_text = guess.type_() == mime::TEXT
        || TEXT.contains(&guess.subtype().as_str())
        || suffix.is_some_and(|suffix| TEXT.contains(&suffix));
    let text = if is_text { format!("{}; charset=utf-8", guess.essence_str()) } else { guess.to_string() };
    // Types are plain text; another one would be unknown.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_types_that_browsers_ask_for() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTM", "text/html; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.min.mjs", "text/javascript; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            ("app.js.map", "application/json; charset=utf-8"),
            ("app.webmanifest", "application/manifest+json; charset=utf-8"),
            ("picture.svg", "image/svg+xml; charset=utf-8"),
            ("feed.xml", "text/xml; charset=utf-8"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("notes.md", "text/markdown; charset=utf-8"),
            ("app.wasm", "application/wasm"),
            ("picture.png", "image/png"),
            ("picture.jpg", "image/jpeg"),
            ("picture.webp", "image/webp"),
            ("favicon.ico", "image/x-icon"),
            ("font.woff2", "font/woff2"),
            ("font.ttf", "font/ttf"),
            ("unknown.gaffer", "application/octet-stream"),
            ("LICENSE", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}
