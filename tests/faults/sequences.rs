//! Random sequences of operations, by several clients at once, do to the registry what they do to
//! the model.

use std::sync::Arc;

use super::data;
use super::model::{Deleted, Model};
use super::operation::Operation;
use super::random::{Random, setting};
use super::stock::Stock;
use super::support::{Http, Options, Orlop};

const CLIENTS: usize = 3;

/// Operations between two looks at everything.
const PACE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_sequences_do_what_the_model_says() {
    let steps = setting("ORLOP_TORTURE_STEPS", 300);
    let mut random = Random::start();
    let stock = Arc::new(Stock::new(&mut random));
    let mut orlop = Orlop::start(Options::default()).await;
    let clients = (0..CLIENTS).map(|client| {
        let (random, http, stock) = (random.fork(), orlop.http(), Arc::clone(&stock));
        tokio::spawn(sequence(client, steps / CLIENTS, random, http, stock))
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("the client's sequence goes well");
    }
    assert!(orlop.stop().await.success());
    assert!(!orlop.output().contains("panicked"), "{}", orlop.output());
    let blobs = data::check(&orlop, &orlop.data_dir()).await;
    println!("{} steps by {CLIENTS} clients, {blobs} blobs at the end", steps / CLIENTS * CLIENTS);
}

async fn sequence(client: usize, steps: usize, mut random: Random, http: Http, stock: Arc<Stock>) {
    let repositories: Vec<_> = (0..3).map(|n| format!("client{client}/r{n}")).collect();
    let mut model = Model::new(&repositories, Deleted::CanBeRestored);
    let mut done = Vec::new();
    for step in 1..=steps {
        let operation = Operation::random(&mut random, &stock, &repositories);
        let expected = model.apply(&stock, &operation);
        let status = operation.perform(&http, &stock).await;
        done.push(operation);
        assert_eq!(status, Some(expected), "step {step} of client {client}: {done:#?}");
        if step % PACE == 0 || step == steps {
            assert_eq!(model.observe(&http, &stock).await, model, "after {done:#?}");
            done.clear();
        }
    }
}
