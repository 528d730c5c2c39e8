//! What a key is to permit, in words.

use std::{collections::BTreeSet, str::FromStr};

use gaffer_core::access::{Permissions, Scope};

/// The words, for help texts.
pub const PERMISSIONS: &str = "Permissions:\n  \
    admin, or +a          everything\n  \
    create_key, or +k     to make keys that permit no more than this one\n  \
    create_user, or +u    to make users who may do no more than this key\n  \
    manage=SCOPE,...      to load, change, start, stop and signal jobs, and so to run any command; +m is manage=*\n  \
    write=SCOPE,...       to write to processes\n  \
    read=SCOPE,...        to see how jobs stand, what happens to them and what they write\n  \
    SCOPE+rwm             several of these at once: shop+rw is read=shop write=shop\n\n\
    SCOPE is a session, `session.job`, or * for all. Who may manage may write, and who may write may read.";

/// What one word permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant(Permissions);

/// What is known, for who has written something else.
const KNOWN: &str = "write admin, create_key, create_user, manage=SCOPE, write=SCOPE, read=SCOPE, or as in gaffer 0.5 +a, +k, +u, +m, \
                     SCOPE+rwm";

impl Grant {
    /// What several words permit together.
    pub fn all<'a>(grants: impl IntoIterator<Item = &'a Self>) -> Permissions {
        let mut all = Permissions::default();
        for Self(Permissions { admin, create_key, create_user, manage, write, read }) in grants {
            all.admin |= admin;
            all.create_key |= create_key;
            all.create_user |= create_user;
            all.manage.extend(manage.iter().cloned());
            all.write.extend(write.iter().cloned());
            all.read.extend(read.iter().cloned());
        }
        all
    }
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let unknown = || format!("is no permission; {KNOWN}");
        let mut all = Permissions::default();
        match (word, word.split_once('='), word.rsplit_once('+')) {
            ("admin", ..) => all.admin = true,
            ("create_key", ..) => all.create_key = true,
            ("create_user", ..) => all.create_user = true,
            (_, Some((right, scopes)), _) => {
                let list = match right {
                    "manage" => &mut all.manage,
                    "write" => &mut all.write,
                    "read" => &mut all.read,
                    _ => return Err(unknown()),
                };
                for scope in scopes.split(',') {
                    list.insert(read(scope)?);
                }
            }
            (_, None, Some(("", letters))) if !letters.is_empty() => {
                for letter in letters.chars() {
                    match letter {
                        'a' => all.admin = true,
                        'k' => all.create_key = true,
                        'u' => all.create_user = true,
                        'm' => drop(all.manage.insert(Scope::All)),
                        _ => return Err(unknown()),
                    }
                }
            }
            (_, None, Some((scope, letters))) if !letters.is_empty() => {
                let scope = read(scope)?;
                for letter in letters.chars() {
                    let list = match letter {
                        'm' => &mut all.manage,
                        'w' => &mut all.write,
                        'r' => &mut all.read,
                        _ => return Err(unknown()),
                    };
                    list.insert(scope.clone());
                }
            }
            (_, None, _) => return Err(unknown()),
        }
        Ok(Self(all))
    }
}

fn read(scope: &str) -> Result<Scope, String> {
    scope.parse().map_err(|error: gaffer_core::access::InvalidScope| error.to_string())
}

/// Scopes as they are written in a word.
pub(super) fn scopes(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Permissions as words that read as these.
pub fn words(permissions: &Permissions) -> Vec<String> {
    let Permissions { admin, create_key, create_user, manage, write, read } = permissions;
    let flags = [(admin, "admin"), (create_key, "create_key"), (create_user, "create_user")];
    let lists = [(manage, "manage"), (write, "write"), (read, "read")];
    let flags = flags.into_iter().filter(|(is_set, _)| **is_set).map(|(_, word)| word.to_owned());
    let lists = lists.into_iter().filter(|(list, _)| !list.is_empty());
    flags.chain(lists.map(|(list, word)| format!("{word}={}", scopes(list)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Result<String, String> {
        let grants: Result<Vec<Grant>, String> = line.split(' ').map(str::parse).collect();
        Ok(words(&Grant::all(&grants?)).join(" "))
    }

    #[test]
    fn the_original_s_words_and_ours_mean_the_same() {
        for (line, expected) in [
            ("+a", "admin"),
            ("+k +u", "create_key create_user"),
            ("+uk", "create_key create_user"),
            ("+m", "manage=*"),
            ("default+rw test+m", "manage=test write=default read=default"),
            ("shop.web+rwm", "manage=shop.web write=shop.web read=shop.web"),
            ("*+r", "read=*"),
            ("c+++r", "read=c++"),
            ("admin create_key", "admin create_key"),
            ("manage=shop,blog read=* manage=shop:web", "manage=blog,shop,shop:web read=*"),
        ] {
            assert_eq!(told(line).as_deref(), Ok(expected), "{line}");
            assert_eq!(told(expected).as_deref(), Ok(expected), "what is told reads");
        }
    }

    #[test]
    fn a_word_that_does_not_read_is_refused_with_what_is_known() {
        for word in ["", "shop", "+", "+x", "shop+", "shop+rx", "mange=shop", "create-key", "admin=true", "+r"] {
            let error = told(word).unwrap_err();
            assert!(error.contains("manage=SCOPE") && error.contains("+a"), "{word}: {error}");
        }
        for word in ["read=", "read=a b", "read=a,,b", "a b+r"] {
            let error = word.parse::<Grant>().unwrap_err();
            assert!(error.contains("is no session and no job"), "{word}: {error}");
        }
    }
}
