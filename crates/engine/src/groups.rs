//! Resource groups.

use std::collections::BTreeSet;

use model::fault::{Code, Fault};
use model::principal::ResourceGroup;
use model::tags::Tags;
use rules::tags::{self, Change};
use rules::tenancy::{self, Held};

use crate::Engine;
use crate::config::{LOCAL_GROUP, check_group, check_region};
use crate::faults::OrFault;
use crate::vaults;
use crate::world::World;

/// Makes the resource groups that virtual machines of this region are in by their own metadata, as
/// far as they are missing: what is in a group must be found in it.
pub(crate) fn adopt(world: &World, region: &str, named: BTreeSet<String>) -> Result<(), Fault> {
    let known = world.ledger.resource_groups().or_fault()?;
    let is_known = |name: &String| known.iter().any(|group| group.name.eq_ignore_ascii_case(name));
    for name in named.into_iter().filter(|name| !is_known(name)) {
        let _alone = world.changing_tenancy();
        tracing::info!(group = name, region, "a virtual machine names a resource group");
        let group = ResourceGroup { name, region: region.to_owned(), tags: Tags::new() };
        world.ledger.put_resource_group(&group).or_fault()?;
    }
    Ok(())
}

impl Engine {
    /// All resource groups, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn resource_groups(&self) -> Result<Vec<ResourceGroup>, Fault> {
        self.world.ledger.resource_groups().or_fault()
    }

    /// Makes a resource group, unless there is one of that name. The tags take the place of those
    /// that it has.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`, `InvalidTags`, or the ledger failed.
    pub fn create_resource_group(
        &self,
        name: &str,
        region: &str,
        tags: Option<Tags>,
    ) -> Result<ResourceGroup, Fault> {
        let _alone = self.world.changing_tenancy();
        self.make_resource_group(name, region, tags)
    }

    /// As [`Self::create_resource_group`], for who makes sure that no group is deleted meanwhile.
    pub(crate) fn make_resource_group(
        &self,
        name: &str,
        region: &str,
        tags: Option<Tags>,
    ) -> Result<ResourceGroup, Fault> {
        let invalid = |error| Fault::new(Code::InvalidResourceName, format!("{error}."));
        check_group(name).map_err(invalid)?;
        check_region(region).map_err(invalid)?;
        if let Some(tags) = &tags {
            tags::check(tags)?;
        }
        let (name, region) = (name.to_owned(), region.to_owned());
        let group = ResourceGroup { name, region, tags: tags.clone().unwrap_or_default() };
        self.world.ledger.put_resource_group(&group).or_fault()?;
        if let Some(tags) = tags {
            self.world.ledger.tag_resource_group(&group.name, &tags).or_fault()?;
        }
        self.resource_group(&group.name)
    }

    /// The resource group of this name, in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceGroupNotFound`, or the ledger failed.
    pub fn resource_group(&self, name: &str) -> Result<ResourceGroup, Fault> {
        let found = self.resource_groups()?;
        let mut found = found.into_iter();
        found.find(|group| group.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let message = format!("Resource group '{name}' could not be found.");
            Fault::new(Code::ResourceGroupNotFound, message)
        })
    }

    /// Changes the tags of a resource group.
    ///
    /// # Errors
    ///
    /// `ResourceGroupNotFound`, `InvalidTags`, or the ledger failed.
    pub fn tag_resource_group(
        &self,
        name: &str,
        change: Change,
        given: Tags,
    ) -> Result<ResourceGroup, Fault> {
        let _alone = self.world.changing_tenancy();
        let group = self.resource_group(name)?;
        let tags = tags::changed(&group.tags, change, given)?;
        self.world.ledger.tag_resource_group(&group.name, &tags).or_fault()?;
        Ok(ResourceGroup { tags, ..group })
    }

    /// Deletes a resource group with its vaults, all of which must be empty.
    ///
    /// # Errors
    ///
    /// `ResourceGroupNotFound`; `GroupNotEmpty` where it holds hosts, virtual machines or items;
    /// what keeps one of its vaults from being deleted; the ledger failed.
    pub fn delete_resource_group(&self, name: &str) -> Result<(), Fault> {
        let world = &self.world;
        let alone = world.changing_tenancy();
        let group = self.resource_group(name)?.name;
        tenancy::may_delete_group(&group, LOCAL_GROUP, &self.held(&group)?)?;
        let mut vaults = self.vaults()?;
        vaults.retain(|vault| vault.resource_group.eq_ignore_ascii_case(&group));
        for vault in &vaults {
            vaults::may_delete(world, vault).map_err(|fault| {
                let (vault, why) = (&vault.name, fault.message);
                let message = format!("Resource group '{group}' stays for vault '{vault}'. {why}");
                Fault::new(Code::GroupNotEmpty, message)
            })?;
        }
        let mut deleted = Vec::new();
        let taken_out = vaults
            .iter()
            .try_for_each(|vault| vaults::delete(world, vault).map(|it| deleted.push(it)))
            .and_then(|()| world.ledger.delete_resource_group(&group).or_fault());
        drop(alone);
        for vault in &deleted {
            vaults::finish(world, vault);
        }
        taken_out?;
        tracing::info!(group, "resource group deleted");
        Ok(())
    }

    /// What a group holds that does not go with it.
    fn held(&self, group: &str) -> Result<Held, Fault> {
        let here = |name: &str| name.eq_ignore_ascii_case(group);
        let (hosts, vms) = (self.hosts()?, self.vms()?);
        let items = self.world.ledger.items(None).or_fault()?;
        let hosts = hosts.into_iter().map(|status| status.host);
        Ok(Held {
            hosts: hosts.filter(|host| here(&host.resource_group)).map(|host| host.uri).collect(),
            vms: vms.into_iter().filter(|vm| here(&vm.resource_group)).map(|vm| vm.name).collect(),
            items: items
                .into_iter()
                .filter(|item| here(&item.vm_resource_group))
                .map(|item| item.vm_name)
                .collect(),
        })
    }
}
