//! The program and the library of gaffer 0.5.2, as they come from PyPI, with keys.

use gaffer_tests::{Client, Daemon, Environment};

use super::{Keys, PASSWORD};

/// The program, told where the node is.
fn gaffer(daemon: &Daemon) -> Option<Client> {
    let url = format!("http://{}", daemon.address());
    Some(Client::of(daemon, Environment::Gaffer05, "gaffer")?.args(["-g", url.as_str()]))
}

const INI: &str = "[process:shop:web]\ncmd = cat\nredirect_output = out\nredirect_input = true\n";

#[test]
fn the_original_program_logs_in_and_works_with_its_key() {
    let keys = Keys::new();
    let daemon = keys.start(INI);
    let Some(gaffer) = gaffer(&daemon) else { return };
    assert!(gaffer.fails(&["apps"]).contains("Unauthorized access"));
    assert_eq!(gaffer.prints(&["--api-key", &keys.admin, "apps"]), "shop\n");
    assert!(gaffer.fails(&["login", "-u", "root", "-p", "wrong"]).contains("username or password is wrong"));
    assert_eq!(gaffer.prints(&["login", "-u", "root", "-p", PASSWORD]), "User 'root' authenticated.\n");
    // From here on it has the key in its file.
    assert_eq!(gaffer.prints(&["apps"]), "shop\n");
    assert!(gaffer.prints(&["ps:info", "shop.web"]).starts_with("active: True\n"));
    assert_eq!(gaffer.prints(&["ps:scale", "shop.web=2"]), "Scaling shop.web processes... done, now running 2\n");
    assert_eq!(gaffer.prints(&["send", "1", "hello"]), "");
    let said = gaffer.prints(&["user", "root"]);
    assert!(said.contains("User 'root' found") && said.contains(&format!("API Key: {}", &keys.admin[..12])), "{said}");
    let said = gaffer.run_with_input(&["key:create", "shop+r", "--label", "till"], "y\n");
    assert_eq!(said.code, 0, "{said}");
    let key = said.stdout.split('\'').find(|word| word.len() == 64).unwrap_or_else(|| panic!("{said}")).to_owned();
    let said = gaffer.prints(&["key", &key]);
    assert!(said.contains("Label: till") && said.contains("read: shop"), "{said}");
    assert_eq!(gaffer.prints(&["--api-key", &key, "ps:info", "shop.web"]).lines().count(), 4);
    assert!(gaffer.fails(&["--api-key", &key, "ps:scale", "shop.web=3"]).contains("Forbidden access"));
    let said = gaffer.run_with_input(&["user:add", "bob", "-p", "x", "-k", &key, "-t", "1"], "y\n");
    assert!(said.code == 0 && said.stdout.contains("User 'bob' created"), "{said}");
    let said = gaffer.run_with_input(&["user:setpassword", "bob", "-p", "y"], "y\n");
    assert_eq!(said.code, 0, "{said}");
    let said = gaffer.run_with_input(&["user:del", "bob"], "y\n");
    assert!(said.code == 0 && said.stdout.contains("User 'bob' deleted"), "{said}");
    let said = gaffer.run_with_input(&["key:delete", &key], "y\n");
    assert_eq!(said.code, 0, "{said}");
    assert!(gaffer.fails(&["--api-key", &key, "apps"]).contains("Forbidden access"));
}

#[test]
fn the_original_library_works_with_a_key() {
    let keys = Keys::new();
    let daemon = keys.start(INI);
    let url = format!("http://{}", daemon.address());
    let Some(library) = Client::driver(&daemon, Environment::Gaffer05, "library_0_5.py") else { return };
    library.args([url.as_str()]).prints(&["keys", &keys.admin, "root", PASSWORD]);
}
