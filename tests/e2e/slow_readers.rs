//! Readers that stop reading cost little and hold nobody up.

use gaffer_tests::{Daemon, heavy, http::Feed, processes};

const READERS: usize = 500;
const BYTES: u64 = 200_000_000;
/// What all of them together may add to gafferd's memory: what the kernel holds for them is not counted in it.
const MEMORY: u64 = 120 * 1024 * 1024;

#[test]
fn hundreds_of_readers_that_stop_reading_slow_nobody_and_cost_little() {
    let _turn = heavy();
    let daemon = Daemon::start(&format!(
        "[process:flood]\ncmd = misbehave until go flood {BYTES} print END touch done forever\nredirect_output = out\n\
         [process:calm]\ncmd = misbehave cat\nredirect_input = true\nredirect_output = out\n"
    ));
    let flood = daemon.until_running("flood", 1)[0];
    let calm = daemon.until_running("calm", 1)[0];
    let before = processes::memory(daemon.os_pid(), "VmRSS");
    let stalled: Vec<Feed> = (0..READERS)
        .map(|number| {
            let path = match number % 5 {
                0 => "/watch?feed=eventsource".to_owned(),
                1 | 2 => format!("/streams/{flood}/out?feed=eventsource"),
                _ => format!("/streams/{flood}/out?feed=continuous"),
            };
            Feed::open_stalled(daemon.address(), &path)
        })
        .collect();
    let mut reader = daemon.feed(&format!("/streams/{flood}/out?feed=continuous"));
    daemon.touch("go");
    let mut end = Vec::new();
    while !end.ends_with(b"END\n") {
        let chunk = reader.next_chunk().expect("more");
        end.extend_from_slice(&chunk);
        end.drain(..end.len().saturating_sub(4));
    }
    // The job has written everything although nobody else reads.
    daemon.read("done");

    let mut echo = daemon.feed(&format!("/streams/{calm}/out?feed=continuous"));
    daemon.post_body(&format!("/streams/{calm}/stdin"), "still here\n");
    echo.until("still here\n");
    let peak = processes::memory(daemon.os_pid(), "VmHWM");
    assert!(peak - before < MEMORY, "{} bytes more than without them", peak - before);
    drop(stalled);
    daemon.until("they are all gone", || {
        let sockets = processes::descriptors(daemon.os_pid());
        let left = sockets.iter().filter(|(_, target)| target.to_string_lossy().starts_with("socket:")).count();
        if left < 20 { Ok(()) } else { Err(left) }
    });
}
