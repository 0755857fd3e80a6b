use clap::Args;

use super::Error;
use super::api::ApiArgs;

const COLUMNS: [(&str, &str); 6] = [
    ("TIME", "time"),
    ("ACTOR", "actor"),
    ("ADDRESS", "address"),
    ("ACTION", "action"),
    ("TARGET", "target"),
    ("DETAIL", "detail"),
];

/// Show the newest changes of who may do what
#[derive(Args)]
pub struct Audit {
    #[command(flatten)]
    api: ApiArgs,
    /// How many
    #[arg(short, default_value_t = 50)]
    n: u32,
}

impl Audit {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        let answer = api.get(&format!("audit-events?n={}", self.n)).await?;
        api.show_list(&answer["events"], &COLUMNS);
        Ok(())
    }
}
