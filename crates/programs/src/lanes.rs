//! A tensor of every lane.

use tch::Tensor;

/// A tensor that all lanes share, or one a lane.
#[derive(Debug)]
pub enum Lanes {
    /// The same for all.
    Shared(Tensor),
    /// `[lanes, …]`.
    Together(Tensor),
    /// One a lane, whose shapes differ: a mask took another number of rows in each.
    Apart(Vec<Tensor>),
}

impl Lanes {
    /// Tensors of the lanes: together where their shapes are alike.
    pub(crate) fn of(tensors: Vec<Tensor>) -> Self {
        let alike =
            tensors.windows(2).all(|two| two[0].size() == two[1].size() && two[0].kind() == two[1].kind());
        if alike { Self::Together(Tensor::stack(&tensors, 0)) } else { Self::Apart(tensors) }
    }

    /// That of one lane.
    pub fn lane(&self, lane: usize) -> Tensor {
        match self {
            Self::Shared(tensor) => tensor.shallow_clone(),
            Self::Together(tensor) => tensor.get(lane as i64),
            Self::Apart(tensors) => tensors[lane].shallow_clone(),
        }
    }

    /// `[lanes, …]`, whether the lanes share it or not.
    ///
    /// # Errors
    /// If the shapes of the lanes differ.
    pub fn together(&self, lanes: usize) -> Result<Tensor, String> {
        match self {
            Self::Shared(tensor) => {
                let sizes: Vec<i64> = [lanes as i64].into_iter().chain(tensor.size()).collect();
                Ok(tensor.unsqueeze(0).expand(sizes, false))
            }
            Self::Together(tensor) => Ok(tensor.shallow_clone()),
            Self::Apart(tensors) => Err(format!(
                "lanes have unlike shapes, {:?} and {:?} among them: reduce what a mask picks to a number",
                tensors[0].size(),
                tensors[1].size()
            )),
        }
    }

    /// The size of one lane's.
    ///
    /// # Panics
    /// If those of the lanes differ.
    pub(crate) fn lane_size(&self) -> Vec<i64> {
        match self {
            Self::Shared(tensor) => tensor.size(),
            Self::Together(tensor) => tensor.size().split_off(1),
            Self::Apart(tensors) => {
                let size = tensors[0].size();
                let alike = tensors.iter().all(|tensor| tensor.size() == size);
                assert!(alike, "a size that differs between lanes is asked for, of what a mask has picked");
                size
            }
        }
    }

    /// How many dimensions it has, that of the lanes apart.
    pub(crate) fn rank(&self) -> usize {
        match self {
            Self::Shared(tensor) => tensor.dim(),
            Self::Together(tensor) => tensor.dim() - 1,
            Self::Apart(tensors) => tensors[0].dim(),
        }
    }

    /// Whether no lane has one of its own.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// The tensor that it is, or the first of those that it is.
    pub(crate) fn any(&self) -> &Tensor {
        match self {
            Self::Shared(tensor) | Self::Together(tensor) => tensor,
            Self::Apart(tensors) => &tensors[0],
        }
    }

    /// Something done to the tensor of every lane, one or all together.
    pub(crate) fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        match self {
            Self::Shared(tensor) => Self::Shared(change(tensor)),
            Self::Together(tensor) => Self::Together(change(tensor)),
            Self::Apart(tensors) => Self::Apart(tensors.iter().map(change).collect()),
        }
    }

    /// Whether what is made of it is recorded for gradients: a leaf says so of itself even where nothing is recorded.
    pub(crate) fn is_recorded(&self) -> bool {
        self.any().alias().requires_grad()
    }

    /// Outside the graph that gradients are taken along.
    pub(crate) fn detached(&self) -> Self {
        self.map(Tensor::detach)
    }
}

impl Clone for Lanes {
    fn clone(&self) -> Self {
        self.map(Tensor::shallow_clone)
    }
}
