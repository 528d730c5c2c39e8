//! The manual's session, as it stands there.

use super::{Shop, Transcript};

const PROCFILE: &str = "\
dummy: sh -u dummy_basic.sh
dummy1: sh -u dummy_basic.sh
";

#[test]
fn the_manual_s_session_prints_what_the_manual_says() {
    let shop = Shop::new(PROCFILE);
    shop.file("dummy_basic.sh", "echo \"hello, dummy (pid: $$) is alive\"\nexec sleep 1000\n");
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("load")
        .once(|| (shop.daemon.until_running("shop.dummy", 1), shop.daemon.until_running("shop.dummy1", 1)))
        .run("scale dummy=3 dummy1+2")
        .once(|| (shop.daemon.until_running("shop.dummy", 3), shop.daemon.until_running("shop.dummy1", 3)))
        .run("ps")
        .run("unload")
        .run("ps")
        .check("session");
}
