//! What the path of a request names.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What all paths begin with.
const BASE: &str = "/_plugin/";

/// All that is not plain in a segment of a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path that may be looked up: each part of it is the plain name of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath {
    /// Name of the plugin.
    pub(super) plugin: String,
    /// Names below its site.
    pub(super) names: Vec<String>,
    /// Whether it ends in a slash, and so names a folder.
    pub(super) is_folder: bool,
}

impl SitePath {
    /// Reads the path of a request as it was sent. `None` if it can name nothing that is served.
    pub(super) fn read(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix(BASE)?.split('/');
        // Written out: a name of a plugin has nothing that needs an escape.
        let plugin = segments.next().filter(|name| is_plugin(name))?.to_owned();
        let mut names: Vec<&str> = segments.collect();
        let is_folder = names.pop_if(|last| last.is_empty()).is_some();
        let names = names.into_iter().map(name).collect::<Option<_>>()?;
        Some(Self { plugin, names, is_folder })
    }

    /// Where the folder is served that this path names. It begins with one slash, and so never leads to another host.
    pub(super) fn with_slash(&self) -> String {
        // The plugin's name has nothing to escape, and would not be read if it were escaped.
        let plugin = format!("{BASE}{}/", self.plugin);
        self.names.iter().fold(plugin, |path, name| format!("{path}{}/", utf8_percent_encode(name, ENCODED)))
    }
}

/// Whether a plugin may be named so.
fn is_plugin(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().next().is_some_and(is_word) && name.bytes().all(|byte| is_word(byte) || b".@+-".contains(&byte))
}

/// The name that a segment stands for, unless it is none, or that of something hidden.
fn name(segment: &str) -> Option<String> {
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    let is_odd = |char: char| char.is_control() || char == '/' || char == '\\';
    // A dot at the beginning is also that of `.` and `..`.
    (!name.is_empty() && !name.starts_with('.') && !name.contains(is_odd)).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    fn read(path: &str) -> Option<(String, String, bool)> {
        let path = SitePath::read(path)?;
        Some((path.plugin, path.names.join("|"), path.is_folder))
    }

    fn named(plugin: &str, names: &str, is_folder: bool) -> Option<(String, String, bool)> {
        Some((plugin.to_owned(), names.to_owned(), is_folder))
    }

    #[test]
    fn a_path_names_a_file_or_a_folder() {
        assert_eq!(read("/_plugin/web"), named("web", "", false));
        assert_eq!(read("/_plugin/web/"), named("web", "", true));
        assert_eq!(read("/_plugin/a.b@1.0+c-d/x.html"), named("a.b@1.0+c-d", "x.html", false));
        assert_eq!(read("/_plugin/_/a/b%20c/%C3%A9/"), named("_", "a|b c|é", true));
        assert_eq!(read("/_plugin/web/100%"), named("web", "100%", false), "what is no escape stands for itself");
        assert_eq!(read("/_plugin/web/%252e%252e/x"), named("web", "%2e%2e|x", false), "escapes are read once");
        assert_eq!(read("/_plugin/web/~/C:"), named("web", "~|C:", false));
    }

    #[test]
    fn what_could_lead_elsewhere_names_nothing() {
        for path in ["/", "/_plugin", "/_plugin/", "/_plugin//", "/_plugin//web", "//_plugin/web/", "/other/web/"] {
            assert_eq!(SitePath::read(path), None, "{path}");
        }
        for plugin in ["..", ".", ".git", "-x", "+x", "@x", "a%2fb", "%2e%2e", "a\\b", "a b", "é", "a:b", "~"] {
            assert_eq!(SitePath::read(&format!("/_plugin/{plugin}/index.html")), None, "{plugin}");
        }
        for segment in [
            "",
            ".",
            "..",
            "%2e",
            "%2E%2e",
            ".%2e",
            "..%2f",
            "%2f",
            "%2Fetc",
            "a%2fb",
            "%5c",
            "..%5c",
            "a\\b",
            "%00",
            "a%00.html",
            ".git",
            "%2egit",
            ".htaccess",
            "%ff",
            "a%c3",
            "%0a",
            "%7f",
            "..;",
            "...",
        ] {
            for path in [format!("/_plugin/web/{segment}/x"), format!("/_plugin/web/x/{segment}/")] {
                assert_eq!(SitePath::read(&path), None, "{path}");
            }
        }
    }

    #[test]
    fn the_way_to_a_folder_stays_below_plugins() {
        for (path, expected) in [
            ("/_plugin/web", "/_plugin/web/"),
            ("/_plugin/web/a", "/_plugin/web/a/"),
            ("/_plugin/web/a%20b%3F%23", "/_plugin/web/a%20b%3F%23/"),
            ("/_plugin/web/é@evil.example:80", "/_plugin/web/%C3%A9%40evil%2Eexample%3A80/"),
        ] {
            let expected = expected.replace("%2E", ".");
            assert_eq!(SitePath::read(path).unwrap().with_slash(), expected, "{path}");
        }
    }

    /// Pieces that paths out of somewhere are made of.
    fn hostile() -> impl Strategy<Value = String> {
        let pieces = [
            "/", "//", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "%00", "%252e", "%c0%ae", "a", "_plugin", "~", ":",
            ";", "é", "%", " ",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_path_ever_leads_outside(
            path in prop_oneof![hostile(), any::<String>()],
            base in prop::sample::select(&["/_plugin/web/", "/_plugin/a@1.0+b-c/", "/_plugin/"][..]),
        ) {
            let path = format!("{base}{path}");
            let Some(read) = SitePath::read(&path) else { return Ok(()) };
            let mut file = Path::new(&read.plugin).to_owned();
            file.extend(&read.names);
            prop_assert!(file.components().all(|part| matches!(part, Component::Normal(_))), "{file:?}");
            prop_assert_eq!(file.components().count(), 1 + read.names.len());
            let there = read.with_slash();
            prop_assert!(there.starts_with("/_plugin/") && !there.contains("//") && there.is_ascii(), "{there}");
            let again = SitePath { is_folder: true, ..read };
            prop_assert_eq!(SitePath::read(&there), Some(again));
        }
    }
}
