//! Applications are stopped whenever and however the manager stops.

use std::sync::{Arc, Mutex};

use gaffer_core::{
    Manager,
    applications::{Application, ApplicationError, BoxFuture},
    backend::simulated::Behaviour,
};

use crate::world::{World, job};

type Told = Arc<Mutex<Vec<&'static str>>>;

/// Does as it is told, and notes it.
struct Noted {
    name: &'static str,
    told: Told,
    /// What it does with the manager while it starts.
    at_start: fn(Manager) -> BoxFuture<'static, Result<(), ApplicationError>>,
    at_stop: fn(),
}

impl Noted {
    fn boxed(
        name: &'static str,
        told: &Told,
        at_start: fn(Manager) -> BoxFuture<'static, Result<(), ApplicationError>>,
    ) -> Box<dyn Application> {
        Box::new(Self { name, told: told.clone(), at_start, at_stop: || {} })
    }
}

impl Application for Noted {
    fn name(&self) -> &str {
        self.name
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        self.told.lock().unwrap().push("start");
        (self.at_start)(manager)
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        (self.at_stop)();
        self.told.lock().unwrap().push(self.name);
        Box::pin(std::future::ready(()))
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

fn fine(_: Manager) -> BoxFuture<'static, Result<(), ApplicationError>> {
    Box::pin(std::future::ready(Ok(())))
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_the_start_stops_what_has_started_and_starts_no_more() {
    let world = World::new(|_| Behaviour::default());
    let told = Told::default();
    let stopping = |manager: Manager| -> BoxFuture<'static, Result<(), ApplicationError>> {
        Box::pin(async move {
            manager.stop().await;
            Ok(())
        })
    };
    let applications = vec![
        Noted::boxed("first", &told, fine),
        Noted::boxed("second", &told, stopping),
        Noted::boxed("third", &told, fine),
    ];
    world.manager.start_applications(applications).await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["start", "start", "first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_start_has_those_of_its_call_stopped() {
    let world = World::new(|_| Behaviour::default());
    let told = Told::default();
    world.manager.start_applications(vec![Noted::boxed("before", &told, fine)]).await.unwrap();
    let applications = vec![
        Noted::boxed("first", &told, fine),
        Noted::boxed("second", &told, fine),
        Noted::boxed("broken", &told, |_| Box::pin(std::future::ready(Err("no".into())))),
    ];
    let (name, error) = world.manager.start_applications(applications).await.unwrap_err();
    assert_eq!((name.as_str(), error.to_string().as_str()), ("broken", "no"));
    assert_eq!(*told.lock().unwrap(), ["start", "start", "start", "start", "first", "second"]);
    world.manager.stop().await;
    assert_eq!(told.lock().unwrap()[6..], ["before"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_in_its_restart_holds_up_no_stop() {
    let world = World::new(|_| Behaviour::default());
    let told = Told::default();
    world.manager.load(job("web", |_| {})).await.unwrap();
    world.manager.start_applications(vec![Noted::boxed("hung", &told, fine)]).await.unwrap();
    let restart = tokio::spawn({
        let manager = world.manager.clone();
        async move { manager.restart().await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(!restart.is_finished());
    world.manager.stop().await;
    restart.await.unwrap().unwrap();
    assert_eq!(*told.lock().unwrap(), ["start", "hung"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_in_its_stop_does_not_keep_the_next_from_being_stopped() {
    let world = World::new(|_| Behaviour::default());
    let told = Told::default();
    let bad = Noted { name: "bad", told: told.clone(), at_start: fine, at_stop: || panic!("not today") };
    world.manager.start_applications(vec![Box::new(bad), Noted::boxed("next", &told, fine)]).await.unwrap();
    world.manager.stop().await;
    assert_eq!(*told.lock().unwrap(), ["start", "start", "next"]);
}
