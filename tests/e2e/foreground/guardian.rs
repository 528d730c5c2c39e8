//! What becomes of gaffer's guardian, or of gaffer itself for a while, is nothing to the application.

use gaffer_tests::{Project, processes};
use nix::sys::signal::Signal;

#[test]
fn without_its_guardian_gaffer_goes_on() {
    let project = Project::new("web: misbehave print ready forever\n");
    let gaffer = project.gaffer().start(&["start"]);
    gaffer.until_printed("web | ready");
    processes::signal(project.until_guarded(), Signal::SIGKILL);
    let web = project.until_running("web.1");
    processes::signal(web, Signal::SIGKILL);
    gaffer.until_printed("web | exit process");
    gaffer.signal(Signal::SIGTERM);
    assert_eq!(gaffer.wait().code, 0);
}

#[test]
fn a_gaffer_that_was_stopped_for_a_while_goes_on() {
    let project = Project::new("web: misbehave print ready forever\n");
    let gaffer = project.gaffer().start(&["start"]);
    gaffer.until_printed("web | ready");
    gaffer.signal(Signal::SIGSTOP);
    gaffer_tests::wait_until("gaffer is stopped", || match processes::state(gaffer.pid()) {
        Some('T') => Ok(()),
        state => Err(format!("{state:?}")),
    });
    gaffer.signal(Signal::SIGTERM);
    gaffer.signal(Signal::SIGCONT);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
}
