//! The tables that there is one of, whichever server block asks for them. Not what stands in them.

use super::{Fault, Note, Page, Table, Value};

/// The tables, as far as a directive has asked for them.
#[derive(Default)]
pub(super) struct Once {
    pub(super) source: Option<Table>,
    pub(super) health: Option<Table>,
    pub(super) ready: Option<Table>,
    pub(super) metrics: Option<Table>,
    pub(super) reload: Option<Table>,
    /// `[tenancy]` with the tables below it.
    pub(super) tenancy: Vec<Table>,
}

/// Sets one of the tables. That two blocks ask for the same is fine.
///
/// # Errors
/// They ask for different ones.
pub(super) fn set(target: &mut Option<Table>, table: Table) -> Result<(), Fault> {
    match target {
        None => *target = Some(table),
        Some(old) if old.says_the_same(&table) => {}
        Some(old) => return Err(differs(old, &table)),
    }
    Ok(())
}

/// Sets one of the tables; of two that differ the first counts, and this is noted.
pub(super) fn set_first(target: &mut Option<Table>, table: Table, notes: &mut Vec<Note>) {
    if let Err(fault) = set(target, table) {
        notes.push(Note {
            place: fault.place,
            text: fault.message,
        });
    }
}

fn differs(old: &Table, new: &Table) -> Fault {
    let places = (new.place.clone(), old.place.clone());
    let (Some(place), Some(other)) = places else {
        unreachable!("a directive asked for both")
    };
    let message = format!(
        "there is one [{}] for the whole server, and {other} says something else",
        new.name
    );
    Fault { place, message }
}

impl Once {
    /// Writes the tables. What CoreDNS does not do without a directive is switched off.
    pub(super) fn write(&self, page: &mut Page, has_tenancy: bool) {
        let off = |name: &str| {
            let mut table = Table::new(name, None);
            table.imply("listen", Value::text(""));
            table
        };
        let health = self.health.clone().unwrap_or_else(|| {
            let mut table = off("health");
            table.imply("lameduck", Value::text("0s"));
            table
        });
        let mut tables: Vec<Table> = self.source.iter().cloned().collect();
        tables.push(health);
        tables.push(self.ready.clone().unwrap_or_else(|| off("ready")));
        tables.push(self.metrics.clone().unwrap_or_else(|| off("metrics")));
        tables.push(self.reload.clone().unwrap_or_else(|| {
            let mut table = Table::new("reload", None);
            table.imply("interval", Value::text("0s"));
            table
        }));
        if has_tenancy {
            tables.extend(self.tenancy.iter().cloned());
        } else {
            let mut admin = off("admin");
            admin.comment("CoreDNS has no such listener.");
            tables.push(admin);
            let mut tenancy = Table::new("tenancy", None);
            tenancy.comment(AUDIT);
            tenancy.imply("mode", Value::text("off"));
            tables.push(tenancy);
        }
        for table in &tables {
            page.gap();
            page.table(table);
        }
    }
}

/// How to go on.
const AUDIT: &str =
    "Answers are CoreDNS's. To see what tenants could be kept from, write \"audit\".";
