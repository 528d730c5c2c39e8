//! Websockets to processes.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::mpsc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use gaffer_client::{Cause, Channel, ChannelItem, Error, Mode, SocketOptions, Stdio};
use gaffer_core::ProcessId;
use gaffer_tests::{DEADLINE, Daemon};
use rustix::{
    net::{getpeername, sockopt::tcp_user_timeout},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::fixture::{answering, client_of, label, node, pid, request, server, soon};

fn only(mode: Mode) -> SocketOptions {
    SocketOptions { mode, ..SocketOptions::default() }
}

/// Reads until so many bytes have come.
async fn read(stdio: &mut Stdio, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        all.extend(soon("the process answers", stdio.recv()).await.unwrap().expect("the process still runs"));
    }
    all
}

/// Reads until so many bytes have come.
async fn read_frames(channel: &mut Channel, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        match soon("the process answers", channel.recv()).await.unwrap() {
            Some(ChannelItem::Output(data)) => all.extend(data),
            other => panic!("this is no output: {other:?}"),
        }
    }
    all
}

#[tokio::test]
async fn what_is_sent_is_written_and_what_is_written_is_received() {
    let (daemon, client) = node();
    let pid = pid(&daemon, "echo");
    let mut stdio = client.stdio(pid, &SocketOptions::default()).await.unwrap();
    stdio.send(Bytes::from_static(b"caf\xe9\0\n")).await.unwrap();
    assert_eq!(read(&mut stdio, 6).await, b"caf\xe9\0\n");
    let mut channel = client.channel(pid, &SocketOptions::default()).await.unwrap();
    stdio.send(Bytes::from_static(b"last\n")).await.unwrap();
    stdio.close().await.unwrap();
    assert_eq!(read_frames(&mut channel, 5).await, b"last\n", "what was sent before the end was written");
    channel.send(Bytes::from_static(b"one\n")).await.unwrap();
    channel.send(Bytes::new()).await.unwrap();
    assert_eq!(read_frames(&mut channel, 4).await, b"one\n");
    channel.close().await.unwrap();
}

#[tokio::test]
async fn a_large_write_to_an_echo_comes_back_whole() {
    let (daemon, client) = node();
    let pid = pid(&daemon, "echo");
    // Less than what is kept here and at the node together, so that nothing is lost though nobody reads meanwhile.
    let data: Vec<u8> = (0..900_000u32).map(|number| b'a' + (number % 26) as u8).collect();
    let mut stdio = client.stdio(pid, &SocketOptions::default()).await.unwrap();
    soon("all is written", stdio.send(data.clone().into())).await.unwrap();
    assert!(read(&mut stdio, data.len()).await == data);
    drop(stdio);
    let mut channel = client.channel(pid, &SocketOptions::default()).await.unwrap();
    soon("all is written", channel.send(data.clone().into())).await.unwrap();
    assert!(read_frames(&mut channel, data.len()).await == data);
}

#[tokio::test]
async fn a_process_that_says_more_than_is_read_holds_no_write_up() {
    let daemon = Daemon::start(
        "[process:chatter]\ncmd = sh -c 'yes & cat > taken'\nshell = false\nredirect_input = true\nredirect_output = out\n",
    );
    let (pid, client) = (pid(&daemon, "chatter"), client_of(daemon.address()));
    let mut channel = client.channel(pid, &SocketOptions::default()).await.unwrap();
    for _ in 0..20 {
        soon("it is written", channel.send(Bytes::from(vec![b'x'; 400_000]))).await.unwrap();
    }
    let mut lost = 0;
    while lost == 0 {
        match soon("a loss is told", channel.recv()).await.unwrap() {
            Some(ChannelItem::Lost(bytes)) => lost = bytes,
            Some(ChannelItem::Output(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let mut stdio = client.stdio(pid, &SocketOptions::default()).await.unwrap();
    for _ in 0..20 {
        soon("it is written", stdio.send(Bytes::from(vec![b'x'; 400_000]))).await.unwrap();
    }
    assert!(soon("it says something", stdio.recv()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_write_waits_for_a_slow_process() {
    let daemon = Daemon::start(
        "[process:slow]\ncmd = sh -c 'until test -e go; do sleep 0.01; done; exec cat'\nredirect_input = true\nredirect_output = out\n",
    );
    let (pid, client) = (pid(&daemon, "slow"), client_of(daemon.address()));
    let data = Bytes::from(vec![b'x'; 500_000]);
    let mut channel = client.channel(pid, &SocketOptions::default()).await.unwrap();
    {
        let mut sending = std::pin::pin!(channel.send(data.clone()));
        // What a pipe takes is written, and no more.
        let early = tokio::time::timeout(Duration::from_millis(300), sending.as_mut()).await;
        assert!(early.is_err(), "it answered before all was written");
        daemon.touch("go");
        soon("the process reads", sending).await.unwrap();
    }
    assert!(read_frames(&mut channel, data.len()).await == data);
}

#[tokio::test]
async fn what_a_process_says_is_read_while_a_write_to_it_waits() {
    let daemon = Daemon::start(
        "[process:slow]\ncmd = sh -c 'until test -e go; do sleep 0.01; done; echo busy; exec sleep 1000'\nredirect_input = true\nredirect_output = out\n",
    );
    let (pid, client) = (pid(&daemon, "slow"), client_of(daemon.address()));
    let mut writer = client.channel(pid, &only(Mode::Write)).await.unwrap();
    let mut reader = client.channel(pid, &only(Mode::Read)).await.unwrap();
    let mut sending = std::pin::pin!(writer.send(Bytes::from(vec![b'x'; 500_000])));
    assert!(sending.as_mut().now_or_never().is_none());
    daemon.touch("go");
    tokio::select! {
        sent = sending => panic!("nobody reads it: {sent:?}"),
        said = read_frames(&mut reader, 5) => assert_eq!(said, b"busy\n"),
    }
}

/// This process's own end of a connection to there.
fn connection_to(address: SocketAddr) -> OwnedFd {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let mut descriptors = descriptors.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap());
    // Those of other tests may be closed meanwhile.
    let open = descriptors.find_map(|descriptor| {
        let open = pidfd_getfd(&this, descriptor, PidfdGetfdFlags::empty()).ok()?;
        let peer = getpeername(&open).ok()??;
        (SocketAddr::try_from(peer).ok()? == address).then_some(open)
    });
    open.expect("there is a connection")
}

#[tokio::test]
async fn the_kernel_sets_no_time_limit_for_what_is_written() {
    let (daemon, client) = node();
    let _open = client.stdio(pid(&daemon, "echo"), &SocketOptions::default()).await.unwrap();
    assert_eq!(tcp_user_timeout(connection_to(daemon.address())).unwrap(), 0, "a write may wait for the process");
}

#[tokio::test]
async fn the_end_of_the_process_is_the_end() {
    let (daemon, client) = node();
    let pid = pid(&daemon, "echo");
    let mut stdio = client.stdio(pid, &SocketOptions::default()).await.unwrap();
    let mut channel = client.channel(pid, &SocketOptions::default()).await.unwrap();
    stdio.send(Bytes::from_static(b"bye\n")).await.unwrap();
    assert_eq!(read_frames(&mut channel, 4).await, b"bye\n");
    client.stop_process(pid).await.unwrap();
    assert_eq!(soon("it ends", stdio.recv()).await.unwrap().as_deref(), Some(&b"bye\n"[..]), "what was not read yet");
    for _ in 0..2 {
        assert_eq!(soon("it ends", stdio.recv()).await.unwrap(), None);
        assert_eq!(soon("it ends", channel.recv()).await.unwrap(), None);
    }
    for error in [stdio.send(Bytes::from_static(b"x")).await, channel.send(Bytes::from_static(b"x")).await] {
        assert!(matches!(error, Err(Error::Interrupted { cause: Cause::Closed, .. })), "{error:?}");
    }
    stdio.close().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_the_answer_to_the_opening() {
    let daemon = Daemon::start(
        "[process:mute]\ncmd = misbehave forever\n[process:talker]\ncmd = misbehave forever\nredirect_output = out\n",
    );
    let (mute, talker, client) = (pid(&daemon, "mute"), pid(&daemon, "talker"), client_of(daemon.address()));
    let of_label = |name: &str| SocketOptions { stream: Some(label(name)), ..SocketOptions::default() };
    for (pid, options, codes) in [
        (ProcessId::new(99), SocketOptions::default(), ["not_found", "not_found"]),
        (mute, only(Mode::Read), ["io_not_redirected", "EPERM"]),
        (talker, only(Mode::Write), ["forbidden_write", "EPERM"]),
        (talker, SocketOptions::default(), ["forbidden_write", "EPERM"]),
        (talker, of_label("nope"), ["io_not_found", "ENOENT"]),
    ] {
        let stdio = client.stdio(pid, &options).await.unwrap_err();
        let channel = client.channel(pid, &options).await.unwrap_err();
        for (error, code) in [stdio, channel].into_iter().zip(codes) {
            let refusal = error.refusal().unwrap_or_else(|| panic!("{pid} {options:?}: {error:?}"));
            assert_eq!(refusal.error, code, "{pid} {options:?}: {error:?}");
            assert!(!error.to_string().contains('{'), "it is a sentence: {error}");
        }
    }

    let mut stdio = client.stdio(talker, &only(Mode::Read)).await.unwrap();
    stdio.send(Bytes::from_static(b"x")).await.unwrap();
    let error = soon("it is refused", stdio.recv()).await.unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.error.as_str()), Some("forbidden_write"), "{error:?}");
    let error = stdio.close().await.unwrap_err();
    assert!(error.to_string().contains("mode=read"), "{error}");

    let mut channel = client.channel(talker, &only(Mode::Read)).await.unwrap();
    for _ in 0..2 {
        let error = channel.send(Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.refusal().map(|refusal| refusal.status), Some(403), "the channel goes on: {error:?}");
    }
}

/// A server that grants websockets, and then does with them what it likes.
fn granting(mut speak: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    server(move |mut stream| {
        let head = request(&stream);
        let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket";
        stream.write_all(format!("{answer}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes()).unwrap();
        speak(stream);
    })
}

/// A frame of a server.
fn frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, u8::try_from(body.len()).unwrap()], body].concat()
}

const PONG: u8 = 10;
const PING: u8 = 9;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

#[tokio::test]
async fn a_silent_node_is_asked_twice_and_then_given_up() {
    let (seen, pings) = mpsc::channel();
    let address = granting(move |mut stream| {
        stream.write_all(&frame(PONG, b"")).unwrap();
        let mut head = [0; 6]; // A frame of a client without a body: two bytes and the mask.
        while stream.read_exact(&mut head).is_ok() {
            seen.send(head[0] & 0x0f).unwrap();
        }
    });
    let mut stdio = client_of(address).stdio(ProcessId::new(1), &SocketOptions::default()).await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = stdio.recv().await.unwrap_err();
    assert!(error.to_string().ends_with("nothing was heard for 90 s"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 90);
    drop(stdio);
    let pings: Vec<u8> = (0..3).map(|_| pings.recv_timeout(DEADLINE).unwrap()).collect();
    assert_eq!(pings, [PING; 3], "that of the opening, and two questions");
}

#[tokio::test]
async fn silence_is_counted_from_the_last_word() {
    let (say, words) = mpsc::channel::<()>();
    let address = granting(move |mut stream| {
        stream.write_all(&frame(PONG, b"")).unwrap();
        while words.recv().is_ok() {
            stream.write_all(&frame(BINARY, b"x")).unwrap();
        }
    });
    let mut stdio = client_of(address).stdio(ProcessId::new(1), &SocketOptions::default()).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20)).await;
    tokio::time::resume();
    say.send(()).unwrap();
    assert_eq!(soon("it is said", stdio.recv()).await.unwrap().as_deref(), Some(&b"x"[..]));
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = stdio.recv().await.unwrap_err();
    assert!(error.to_string().ends_with("nothing was heard for 90 s"), "{error}");
    assert!(begun.elapsed() > Duration::from_secs(89), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_node_that_is_silent_while_a_write_waits_is_given_up() {
    let (said, mut all_said) = tokio::sync::mpsc::unbounded_channel();
    let (hold, until_dropped) = mpsc::channel::<()>();
    let address = granting(move |mut stream| {
        stream.write_all(&frame(PONG, b"")).unwrap();
        // More than the kernel and a client that stops to read would take.
        let long = [&[0x80 | BINARY, 127][..], &1_000_000u64.to_be_bytes(), &vec![b'x'; 1_000_000]].concat();
        for _ in 0..32 {
            stream.write_all(&long).unwrap();
        }
        said.send(()).unwrap();
        assert!(until_dropped.recv().is_err(), "it is held, and never read from");
    });
    let mut stdio = client_of(address).stdio(ProcessId::new(1), &SocketOptions::default()).await.unwrap();
    {
        let mut sending = std::pin::pin!(stdio.send(Bytes::from(vec![b'x'; 32_000_000])));
        tokio::select! {
            sent = &mut sending => panic!("nobody read it: {sent:?}"),
            said = soon("a write that waits holds nobody up", all_said.recv()) => said.unwrap(),
        }
        tokio::time::pause();
        let error = sending.await.unwrap_err();
        assert!(error.to_string().ends_with("nothing was heard for 90 s"), "{error}");
    }
    drop(hold);
}

#[tokio::test]
async fn what_was_being_sent_when_that_was_given_up_is_sent_by_reading() {
    const PIECE: usize = 256 * 1024;
    let (given_up, pieces) = mpsc::channel::<u64>();
    let address = granting(move |mut stream| {
        stream.write_all(&frame(PONG, b"")).unwrap();
        stream.read_exact(&mut [0; 6]).unwrap(); // The ping of the opening.
        let Ok(pieces) = pieces.recv() else { return };
        // Two bytes, eight of the length, four of the mask.
        let all = pieces * (14 + PIECE as u64);
        assert_eq!(std::io::copy(&mut (&stream).take(all), &mut std::io::sink()).unwrap(), all);
        stream.write_all(&frame(CLOSE, &1000u16.to_be_bytes())).unwrap();
    });
    let mut stdio = client_of(address).stdio(ProcessId::new(1), &SocketOptions::default()).await.unwrap();
    let mut begun = 1;
    while stdio.send(Bytes::from(vec![b'x'; PIECE])).now_or_never().is_some() {
        begun += 1;
    }
    given_up.send(begun).unwrap();
    // Not by the question that comes after a silence.
    let end = tokio::time::timeout(Duration::from_secs(20), stdio.recv()).await;
    assert_eq!(end.expect("the node gets it all").unwrap(), None);
}

#[tokio::test]
async fn a_ping_of_the_node_is_answered() {
    let (seen, pongs) = mpsc::channel();
    let address = granting(move |mut stream| {
        stream.write_all(&[frame(PONG, b""), frame(PING, b"")].concat()).unwrap();
        let mut head = [0; 6];
        while stream.read_exact(&mut head).is_ok() && head[0] & 0x0f != PONG {}
        seen.send(head[0] & 0x0f).unwrap();
        stream.write_all(&frame(CLOSE, &1000u16.to_be_bytes())).unwrap();
    });
    let mut stdio = client_of(address).stdio(ProcessId::new(1), &SocketOptions::default()).await.unwrap();
    assert_eq!(soon("the node closes", stdio.recv()).await.unwrap(), None);
    assert_eq!(pongs.recv().unwrap(), PONG);
}

#[tokio::test]
async fn the_end_of_the_node_is_told_apart_from_that_of_the_process() {
    // A node that stops waits for its processes first, if they end; so this is none that is real.
    let close = |code: u16| frame(CLOSE, &code.to_be_bytes());
    for (farewell, is_process) in
        [(close(1000), true), (close(1001), false), (frame(CLOSE, b""), false), (Vec::new(), false)]
    {
        let (opened, go) = mpsc::channel();
        let address = granting(move |mut stream| {
            stream.write_all(&frame(PONG, b"")).unwrap();
            go.recv().unwrap();
            stream.write_all(&farewell).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut stdio = client_of(address).stdio(ProcessId::new(1), &SocketOptions::default()).await.unwrap();
        opened.send(()).unwrap();
        match soon("it ends", stdio.recv()).await {
            Ok(None) => assert!(is_process, "the process may run on"),
            Err(Error::Interrupted { cause: Cause::Closed, .. }) => assert!(!is_process, "it has ended"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_websocket_of_a_node_is_an_error() {
    let options = SocketOptions::default();
    let pid = ProcessId::new(1);
    let no_grant = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
    let wrong_key = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: AAAA\r\n\r\n";
    for answer in [no_grant, wrong_key] {
        let error = client_of(answering(answer)).stdio(pid, &options).await.unwrap_err();
        assert!(error.to_string().ends_with("it grants no websocket"), "{error}");
    }
    for (frames, problem) in [
        (frame(TEXT, b"hello"), "the NUL is missing"),
        (frame(TEXT, b"V1 lagged a\0[]"), "invalid length 0, expected struct Lagged with 1 element"),
        (frame(TEXT, b"V1 error a\0no"), "an error frame without an error"),
        (frame(CLOSE, &[&1011u16.to_be_bytes()[..], b"oops"].concat()), "it closes the websocket with 1011 oops"),
        (vec![0xf1, 0], "Reserved bits are non-zero"),
        (Vec::new(), "the node closed the connection"),
    ] {
        let address = granting(move |mut stream| {
            stream.write_all(&[frame(PONG, b""), frames.clone()].concat()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        // It may be seen with the pong.
        let error = match client_of(address).channel(pid, &options).await {
            Ok(mut channel) => soon("it fails", channel.recv()).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(problem), "{error}");
    }
}
