//! The orders on disk.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use chassis::{App, Readiness};
use prost_types::Timestamp;
use redb::{Database, Error, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tonic::{Result, Status};

use crate::{proto::acme::orders::v1 as pb, settings::Settings};

/// The orders by their id.
const ORDERS: TableDefinition<'_, u64, Value<'_>> = TableDefinition::new("orders");
/// Item, quantity, and the second in which the order was placed.
type Value<'a> = (&'a str, u32, i64);

/// The orders. Clones share them.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<Database>,
    /// The id of the last order. Watches wait until it changes.
    last: watch::Sender<u64>,
    readiness: Readiness,
}

impl Store {
    /// Opens the store, and then reports that it is ready.
    pub async fn open(path: PathBuf, readiness: Readiness) -> anyhow::Result<Self> {
        let open = move || {
            let database = Arc::new(Database::create(path)?);
            let transaction = database.begin_write()?;
            let last = last(&transaction.open_table(ORDERS)?)?;
            transaction.commit()?;
            readiness.ready();
            Ok::<_, Error>(Self { database, last: watch::Sender::new(last), readiness })
        };
        Ok(spawn_blocking(open).await??)
    }

    /// Returns the order with this id, if there is one.
    pub async fn get(&self, id: u64) -> Result<Option<pb::Order>> {
        self.run(move |database| {
            let table = database.begin_read()?.open_table(ORDERS)?;
            Ok(table.get(id)?.map(|value| order(id, value.value())))
        })
        .await
    }

    /// Adds these orders, and returns them with their ids.
    pub async fn place(&self, requests: Vec<pb::PlaceOrderRequest>) -> Result<Vec<pb::Order>> {
        let place = self.run(move |database| {
            let transaction = database.begin_write()?;
            let mut table = transaction.open_table(ORDERS)?;
            let first = last(&table)? + 1;
            let second = Timestamp::from(SystemTime::now()).seconds;
            let mut orders = Vec::with_capacity(requests.len());
            for (id, pb::PlaceOrderRequest { item, quantity }) in (first..).zip(&requests) {
                table.insert(id, (item.as_str(), *quantity, second))?;
                orders.push(order(id, (item, *quantity, second)));
            }
            drop(table);
            transaction.commit()?;
            Ok(orders)
        });
        let orders = place.await?;
        if let Some(order) = orders.last() {
            // Another call may have placed a later order meanwhile.
            self.last.send_modify(|last| *last = order.id.max(*last));
        }
        Ok(orders)
    }

    /// Waits for orders with ids after `after`. Returns at most 100, and the last id it looked at.
    pub async fn next_after(&self, after: u64) -> Result<(Vec<pb::Order>, u64)> {
        let mut last = self.last.subscribe();
        let last = *last.wait_for(|last| *last > after).await.expect("this holds the sender");
        let read = self.run(move |database| {
            let table = database.begin_read()?.open_table(ORDERS)?;
            let entries = table.range(after + 1..)?.take(100).map(|entry| {
                let (id, value) = entry?;
                Ok(order(id.value(), value.value()))
            });
            entries.collect()
        });
        let orders: Vec<pb::Order> = read.await?;
        let last = orders.last().map_or(last, |order| order.id);
        Ok((orders, last))
    }

    /// Removes old orders until the server drains. Keeps the last one, so that its id is not used
    /// again.
    pub async fn remove_old_orders(self, app: App<Settings>) {
        let retention = &app.settings().retention;
        loop {
            tokio::select! {
                () = sleep(retention.interval) => {}
                () = app.draining() => return,
            }
            let oldest = Timestamp::from(SystemTime::now() - retention.age).seconds;
            let remove = self.run(move |database| {
                let transaction = database.begin_write()?;
                let mut table = transaction.open_table(ORDERS)?;
                let last = last(&table)?;
                table.retain_in(..last, |_, (_, _, second)| second >= oldest)?;
                drop(table);
                Ok(transaction.commit()?)
            });
            // An error is in the log already.
            let _ = remove.await;
        }
    }

    /// Runs `work` on a thread of its own, because redb blocks. Returns UNAVAILABLE if it fails.
    /// After an I/O error the service is not ready: redb must open the file again before it works.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        let result = spawn_blocking(move || work(&database)).await;
        result.map_err(|_panic| Status::internal("the store panicked"))?.map_err(|error| {
            tracing::error!(%error, "the store failed");
            if matches!(error, Error::Io(_) | Error::PreviousIo) {
                self.readiness.not_ready(error);
            }
            Status::unavailable("the store failed")
        })
    }
}

fn last(table: &impl ReadableTable<u64, Value<'static>>) -> Result<u64, Error> {
    Ok(table.last()?.map_or(0, |(id, _)| id.value()))
}

fn order(id: u64, (item, quantity, seconds): Value<'_>) -> pb::Order {
    pb::Order { id, item: item.to_owned(), quantity, placed: Some(Timestamp { seconds, nanos: 0 }) }
}
