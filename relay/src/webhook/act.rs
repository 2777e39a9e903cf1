//! One call of the subcommand: what was asked for, and what is printed at the end.

use crate::config::Config;
use crate::webhook::create::create;
use crate::webhook::redrive::redrive;
use crate::webhook::run::run;
use crate::webhook::servers::Failure;
use crate::webhook::settings::{Action, Settings, WebhookSettings};

/// Does it. Returns what to print, and whether everything was done.
pub(crate) async fn act(
    config: &Config,
    action: Action,
    settings: Settings,
    webhook: WebhookSettings,
) -> Result<(String, bool), Failure> {
    match action {
        Action::Create(from) => {
            let rooms = create(config, &settings, from).await?;
            Ok((format!("created: {rooms} rooms are taken as read"), true))
        }
        Action::Run => {
            run(config, settings, &webhook).await?;
            Ok((String::new(), true))
        }
        Action::Redrive => {
            let done = redrive(config, &settings, &webhook).await?;
            let (taken, gone, refused) = (done.taken, done.gone, done.refused);
            let said =
                format!("{taken} taken, {gone} not stored any more, {refused} refused again");
            Ok((said, refused == 0))
        }
    }
}
